//! What a DTLS datagram must look like before the library sees it (RFC 6347 §4.1, §4.2).
//!
//! Owns limits that the library lacks. It keeps every handshake fragment it is shown, up to 2 MB and also
//! after the handshake; puts them together by recursion, one level per fragment; searches all of them for
//! each; and queues records of the next epoch without end. A participant who has proven no more than that it
//! can read its own offer could use up the stack, and with it take the process. A handshake has some twenty
//! records; these limits leave room for every flight to be lost several times.

/// Largest datagram: an Ethernet frame and some. Handshakes stay below 1,200 bytes.
const MAX_DATAGRAM: usize = 2_048;
/// Bytes of a record header (RFC 6347 §4.1): type, version, epoch, sequence number, length.
const RECORD_HEADER: usize = 13;
/// Bytes of a handshake header (RFC 6347 §4.2.2): type, length, sequence, fragment offset, fragment length.
const HANDSHAKE_HEADER: usize = 12;
/// Content type of handshake records (RFC 5246 §6.2.1).
const HANDSHAKE: u8 = 22;
/// Longest handshake message: a certificate chain.
const MAX_MESSAGE: u32 = 16 * 1024;
/// Handshake messages of one client: nine without a cookie exchange, ten with (RFC 6347 §4.2.4).
const MAX_MESSAGE_SEQUENCE: u16 = 32;
/// Longest encrypted handshake record: Finished has 24 bytes, and no suite adds more than 80.
const MAX_ENCRYPTED_MESSAGE: usize = 128;
/// Records in the clear, or ahead of the handshake, over the whole association.
const MAX_RECORDS: u32 = 256;
/// Encrypted handshake records over the whole association: Finished, and its repetitions.
const MAX_ENCRYPTED: u32 = 32;

/// Counts what one association has been shown.
#[derive(Default)]
pub(super) struct Guard {
    records: u32,
    encrypted: u32,
}

impl Guard {
    /// True if the library may see this datagram.
    pub(super) fn admits(&mut self, datagram: &[u8], completed: bool) -> bool {
        if datagram.is_empty() || datagram.len() > MAX_DATAGRAM {
            return false;
        }
        let mut rest = datagram;
        while !rest.is_empty() {
            let Some((header, behind)) = rest.split_first_chunk::<RECORD_HEADER>() else { return false };
            let length = usize::from(u16::from_be_bytes([header[11], header[12]]));
            // An empty record carries nothing and the library takes it for an error.
            let Some((body, behind)) = behind.split_at_checked(length).filter(|(body, _)| !body.is_empty())
            else {
                return false;
            };
            let in_clear = header[3..5] == [0, 0];
            if !self.admits_record(header[0], in_clear, body, completed) {
                return false;
            }
            rest = behind;
        }
        true
    }

    fn admits_record(&mut self, kind: u8, in_clear: bool, body: &[u8], completed: bool) -> bool {
        let is_handshake = kind == HANDSHAKE;
        if in_clear || !completed {
            self.records += 1;
            if self.records > MAX_RECORDS {
                return false;
            }
        }
        match (is_handshake, in_clear) {
            (true, true) => are_messages(body),
            (true, false) => {
                self.encrypted += 1;
                self.encrypted <= MAX_ENCRYPTED && body.len() <= MAX_ENCRYPTED_MESSAGE
            }
            (false, _) => true,
        }
    }
}

/// True if the body is one or more whole messages or one fragment, each within its limits.
fn are_messages(mut body: &[u8]) -> bool {
    while !body.is_empty() {
        let Some((header, behind)) = body.split_first_chunk::<HANDSHAKE_HEADER>() else { return false };
        let number = |at: usize| u32::from_be_bytes([0, header[at], header[at + 1], header[at + 2]]);
        let (length, offset, fragment) = (number(1), number(6), number(9));
        let sequence = u16::from_be_bytes([header[4], header[5]]);
        let is_whole = offset == 0 && fragment == length;
        let Some((content, behind)) = behind.split_at_checked(fragment as usize) else { return false };
        let is_bounded =
            length <= MAX_MESSAGE && sequence <= MAX_MESSAGE_SEQUENCE && offset + fragment <= length;
        // Behind a fragment the library looks for the next message by the length of the whole; behind it is
        // nothing in practice.
        let is_followable = is_whole || (!content.is_empty() && behind.is_empty());
        if !is_bounded || !is_followable {
            return false;
        }
        body = behind;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, epoch: u16, body: &[u8]) -> Vec<u8> {
        let mut record = vec![kind, 254, 253];
        record.extend(epoch.to_be_bytes());
        record.extend([0; 6]);
        record.extend((body.len() as u16).to_be_bytes());
        record.extend(body);
        record
    }

    fn message(length: u32, sequence: u16, offset: u32, content: &[u8]) -> Vec<u8> {
        let mut message = vec![1];
        message.extend(&length.to_be_bytes()[1..]);
        message.extend(sequence.to_be_bytes());
        message.extend(&offset.to_be_bytes()[1..]);
        message.extend(&(content.len() as u32).to_be_bytes()[1..]);
        message.extend(content);
        message
    }

    #[test]
    fn admits_handshakes_and_refuses_what_none_needs() {
        let whole = message(3, 0, 0, &[1, 2, 3]);
        let two = [whole.clone(), message(1, 1, 0, &[9])].concat();
        let fragment = message(5_000, 0, 1_000, &[7; 500]);
        let cases: [(Vec<u8>, bool, &str); 15] = [
            (record(HANDSHAKE, 0, &whole), true, "one message"),
            (record(HANDSHAKE, 0, &two), true, "two messages in a record"),
            ([record(HANDSHAKE, 0, &whole), record(20, 0, &[1])].concat(), true, "two records"),
            (record(HANDSHAKE, 0, &fragment), true, "a fragment"),
            (record(HANDSHAKE, 1, &[0; 48]), true, "Finished"),
            (record(23, 1, &[0; 1_000]), true, "application data"),
            (Vec::new(), false, "nothing"),
            (record(23, 1, &[0; 2_100]), false, "too long"),
            (record(HANDSHAKE, 0, &[]), false, "an empty record"),
            (record(HANDSHAKE, 0, &whole)[..15].to_vec(), false, "cut off"),
            (record(HANDSHAKE, 0, &whole[..14]), false, "a message cut off"),
            (record(HANDSHAKE, 0, &message(20_000, 0, 0, &[0; 9])), false, "a message too long"),
            (record(HANDSHAKE, 0, &message(3, 0, 2, &[1, 2])), false, "a fragment past the end"),
            (record(HANDSHAKE, 0, &message(3, 400, 0, &[1, 2, 3])), false, "far ahead"),
            (record(HANDSHAKE, 1, &[0; 200]), false, "an encrypted message too long"),
        ];
        for (datagram, expected, why) in cases {
            assert_eq!(Guard::default().admits(&datagram, false), expected, "{why}");
        }
    }

    #[test]
    fn one_association_cannot_be_fed_for_ever() {
        let mut guard = Guard::default();
        let hello = record(HANDSHAKE, 0, &message(3, 0, 0, &[1, 2, 3]));
        let admitted = (0..1_000).filter(|_| guard.admits(&hello, false)).count();
        assert_eq!(admitted, MAX_RECORDS as usize);
        let finished = record(HANDSHAKE, 1, &[0; 48]);
        let admitted = (0..1_000).filter(|_| guard.admits(&finished, true)).count();
        assert_eq!(admitted, MAX_ENCRYPTED as usize);
        assert!(
            guard.admits(&record(23, 1, &[0; 100]), true),
            "a completed association still carries data and alerts"
        );
        assert!(guard.admits(&record(21, 1, &[0; 26]), true), "such as close_notify");
    }
}
