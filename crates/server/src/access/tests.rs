//! Tokens that are good and all the ways in which one is not.

use std::time::Instant;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use serde_json::{Value, json};

use super::*;
use crate::config::Secret;

const SECRET: &str = "0123456789abcdef0123456789abcdef";
const OTHER: &str = "fedcba9876543210fedcba9876543210";
/// Of RFC 8410 §10.3 and §10.1, in the form of `openssl genpkey -algorithm ed25519`.
const ED_PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n-----END PRIVATE KEY-----\n";
const ED_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";

fn shared(id: &str, secret: &str) -> TokenKey {
    TokenKey { id: id.to_owned(), secret: Some(Secret::new(secret)), ..TokenKey::default() }
}

fn access(keys: Vec<TokenKey>) -> Access {
    Access::new(&AccessConfig { keys, ..AccessConfig::default() }).unwrap()
}

fn claims(room: &str, rights: &[Right]) -> Claims {
    Claims {
        sub: Some("ada".to_owned()),
        room: room.to_owned(),
        rights: rights.to_vec(),
        exp: seconds_from_now(Duration::from_secs(60)),
        nbf: None,
    }
}

fn join(token: Option<String>, resume: Option<&str>) -> Join {
    serde_json::from_value(json!({"room": "standup", "name": "Ada", "token": token, "resume": resume}))
        .unwrap()
}

/// A token whose header and claims are written out, signed with a secret.
fn forged(header: &Value, claims: &Value, secret: &str) -> String {
    let text = |value: &Value| BASE64.encode(value.to_string());
    let signed = format!("{}.{}", text(header), text(claims));
    let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, secret.as_bytes());
    format!("{signed}.{}", BASE64.encode(ring::hmac::sign(&key, signed.as_bytes())))
}

#[test]
fn a_token_grants_what_it_says() {
    let access = access(vec![shared("a", SECRET)]);
    for (room, rights, expected, why) in [
        ("standup", &[Right::Publish, Right::Subscribe][..], Ok((true, true, false)), "an ordinary one"),
        ("*", &[Right::Subscribe], Ok((false, true, false)), "a spectator of any room"),
        ("standup", &[Right::Publish], Ok((true, false, false)), "a camera"),
        ("standup", &[Right::Administrate], Ok((false, false, true)), "an operator"),
        ("standup", &[], Ok((false, false, false)), "nothing at all: messages only"),
        ("standup2", &[Right::Publish], Err(Denied::OtherRoom), "another room"),
        ("stand", &[Right::Publish], Err(Denied::OtherRoom), "not a prefix match"),
    ] {
        let token = access.sign(&claims(room, rights), None);
        let granted = access.admit(&join(token, None)).map(|admission| match admission {
            Admission::Granted(grant) => {
                assert_eq!(grant.identity.as_deref(), Some("ada"));
                (grant.publish, grant.subscribe, grant.administrate)
            }
            Admission::ReturnOnly(why) => panic!("{why}"),
        });
        assert_eq!(granted, expected, "{why}");
    }
}

#[test]
fn what_is_not_a_good_token_is_refused() {
    let access = access(vec![shared("a", SECRET), shared("b", OTHER)]);
    let in_a_minute = seconds_from_now(Duration::from_secs(60));
    let good = json!({"room": "standup", "exp": in_a_minute});
    let header = json!({"alg": "HS256", "kid": "a"});
    let valid = forged(&header, &good, SECRET);
    assert!(access.admit(&join(Some(valid.clone()), None)).is_ok(), "the forger knows the secret");
    let parts: Vec<&str> = valid.split('.').collect();
    let with = |key: &str, value: Value| {
        let mut claims = good.clone();
        claims[key] = value;
        forged(&header, &claims, SECRET)
    };
    for (token, expected, why) in [
        ("x".to_owned(), Denied::Invalid, "no token at all"),
        ("..".to_owned(), Denied::Invalid, "three empty parts"),
        (format!("{}.{}.", parts[0], parts[1]), Denied::Invalid, "no signature"),
        (format!("{}.{}.{}", parts[0], BASE64.encode("{}"), parts[2]), Denied::Invalid, "other claims"),
        (forged(&json!({"alg": "none"}), &good, ""), Denied::Invalid, "the algorithm `none`"),
        (forged(&json!({"alg": "HS512", "kid": "a"}), &good, SECRET), Denied::Invalid, "another algorithm"),
        (forged(&json!({"alg": "EdDSA", "kid": "a"}), &good, SECRET), Denied::Invalid, "another kind of key"),
        (forged(&header, &good, OTHER), Denied::Invalid, "the secret of another key"),
        (forged(&json!({"alg": "HS256", "kid": "c"}), &good, SECRET), Denied::Invalid, "an unknown key"),
        (
            forged(&json!({"alg": "HS256"}), &good, SECRET),
            Denied::Invalid,
            "no key named where there are two",
        ),
        (
            forged(&json!({"alg": "HS256", "kid": "a", "crit": ["b64"]}), &good, SECRET),
            Denied::Invalid,
            "a header that must be understood",
        ),
        (forged(&header, &json!({"room": "standup"}), SECRET), Denied::Invalid, "no end"),
        (forged(&header, &json!({"exp": in_a_minute}), SECRET), Denied::Invalid, "no room"),
        (with("exp", json!(1_000)), Denied::Expired, "over since 1970"),
        (with("exp", json!("9999999999")), Denied::Invalid, "an end that is text"),
        (with("nbf", json!(in_a_minute)), Denied::Invalid, "not yet"),
        (with("nbf", json!("never")), Denied::Invalid, "a beginning that is text"),
        (with("aud", json!("somebody-else")), Denied::Invalid, "for another service"),
        (with("rights", json!(["publish", "fly"])), Denied::Invalid, "a right that does not exist"),
    ] {
        assert_eq!(access.admit(&join(Some(token), None)), Err(expected), "{why}");
    }
    assert_eq!(access.admit(&join(None, None)), Err(Denied::Missing));
}

#[test]
fn a_call_outlives_its_token() {
    let access = access(vec![shared("a", SECRET)]);
    let old = Claims { exp: 1_000, ..claims("standup", &[Right::Publish]) };
    let old = access.sign(&old, None);
    assert_eq!(access.admit(&join(old.clone(), None)), Err(Denied::Expired));
    let back = access.admit(&join(old, Some("secret"))).unwrap();
    assert!(matches!(back, Admission::ReturnOnly(_)), "only as who it was: {back:?}");
    let elsewhere = access.sign(&claims("retro", &[]), None);
    assert_eq!(access.admit(&join(elsewhere, Some("secret"))), Err(Denied::OtherRoom), "a token is judged");
}

#[test]
fn keys_are_rotated_by_having_two() {
    let (old, new) = (shared("2026-10", SECRET), shared("2026-11", OTHER));
    let before = access(vec![old.clone()]);
    let during = access(vec![old, new.clone()]);
    let after = access(vec![new]);
    let claims = claims("standup", &[Right::Publish]);
    let (first, second) = (before.sign(&claims, None), during.sign(&claims, None));
    for (access, token, expected, why) in [
        (&during, &first, true, "tokens of the old key live on"),
        (&during, &second, true, "new ones are of the new key"),
        (&after, &second, true, "and outlive the old one"),
        (&after, &first, false, "which is void once it is gone"),
        (&before, &second, false, "a server that was not told of the new key"),
    ] {
        assert_eq!(access.admit(&join(token.clone(), None)).is_ok(), expected, "{why}");
    }
    assert!(during.sign(&claims, Some("2026-10")).is_some() && during.sign(&claims, Some("x")).is_none());
}

#[test]
fn a_public_key_verifies_what_its_private_half_signed() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let (public, private) = (file("public.pem", ED_PUBLIC), file("private.pem", ED_PRIVATE));
    let key = |private_key_file| TokenKey {
        id: "ed".to_owned(),
        public_key_file: Some(public.clone()),
        private_key_file,
        ..TokenKey::default()
    };
    let (signer, verifier) = (access(vec![key(Some(private))]), access(vec![key(None)]));
    let claims = claims("standup", &[Right::Publish]);
    assert!(verifier.admit(&join(signer.sign(&claims, None), None)).is_ok());
    assert_eq!(verifier.sign(&claims, None), None, "a public key cannot sign");

    // The public key as an HMAC secret: the classic confusion (RFC 8725 §2.1).
    let confused =
        forged(&json!({"alg": "HS256", "kid": "ed"}), &json!({"room": "*", "exp": u32::MAX}), ED_PUBLIC);
    assert_eq!(verifier.admit(&join(Some(confused), None)), Err(Denied::Invalid));

    for (key, told) in [
        (TokenKey { secret: Some(Secret::new("short")), ..key(None) }, "at least 32"),
        (TokenKey { secret: None, public_key_file: Some(file("x", "x")), ..key(None) }, "openssl pkey"),
        (TokenKey { public_key_file: None, ..key(None) }, "give one of"),
        (TokenKey { public_key_file: Some("no/such".into()), ..key(None) }, "no/such"),
    ] {
        let key = TokenKey { public_key_file: key.public_key_file.filter(|_| key.secret.is_none()), ..key };
        let error = Key::read(&key).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(told), "{error}");
    }
}

#[test]
fn without_keys_anybody_joins_and_nobody_administrates() {
    let open = access(Vec::new());
    assert!(open.admit(&join(None, None)).is_ok());
    assert_eq!(open.operator(None), Err(Denied::Missing));
    let operator = open.sign(&claims("*", &[Right::Administrate]), None);
    assert!(open.operator(operator.as_deref()).is_ok(), "with the token that it made itself");
    let guest = open.sign(&claims("*", &[Right::Publish]), None);
    assert_eq!(open.operator(guest.as_deref()), Err(Denied::NotAllowed));
}

#[test]
fn a_link_works_once() {
    let access = Access::new(&AccessConfig { lan: true, ..AccessConfig::default() }).unwrap();
    assert_eq!(access.admit(&join(None, None)), Err(Denied::Missing));
    let (links, now) = (links::Links::default(), Instant::now());
    let path = links.issue(now);
    let code = path.strip_prefix(links::PATH).unwrap();
    let target = links.open(code, &access, now).unwrap();
    let (_, token) = target.split_once("#token=").unwrap();
    assert!(access.admit(&join(Some(token.to_owned()), None)).is_ok());
    assert_eq!(links.open(code, &access, now), None, "used");
    assert_eq!(links.open("0", &access, now), None, "guessed");
    let late = links.issue(now);
    let code = late.strip_prefix(links::PATH).unwrap();
    assert_eq!(links.open(code, &access, now + Duration::from_secs(3_600)), None, "forgotten");
}
