//! The selector's view of one receiver: plain values in, encodings out.
//!
//! Owns the translation between slots and `selector`'s subscriptions: measured encodings become operating
//! points, roles come from views, sources and speakers. Leaves the decision to `selector` and acting on it to
//! the room.

use std::borrow::Cow;
use std::collections::BTreeMap;

use packet::codec::MAX_SPATIAL;
use packet::{Codec, MediaKind};
use selector::{Budget, Decision, Input, OperatingPoint, Recorded, Role, Subscription, Viewport};
use units::{Bitrate, Timestamp};

use crate::media::Layer;
use crate::participant::Participant;
use crate::publication::Publication;
use crate::rewrite::Origin;
use crate::slot::Slot;
use crate::speaker::Speakers;
use crate::{EncodingState, Policy, PublicationId, Source};

/// Text on a shared screen cannot be read below this.
const SCREEN_FLOOR: u32 = 360;
/// Until an encoding has been measured: what cameras usually send.
const ASSUMED_FPS: u32 = 30;
/// And what an encoder usually spends, in bit/s, on so many pixels. Rates grow with their number to the power of three quarters.
const ASSUMED_RATE: f64 = 150_000.0;
/// See [`ASSUMED_RATE`].
const ASSUMED_PIXELS: f64 = 320.0 * 180.0;

/// A selection before it is acted upon.
#[derive(Debug)]
pub(crate) struct Selection {
    /// Positions of the video slots that show something, in the order of the choices.
    pub(crate) slots: Vec<usize>,
    /// What the points that each of them was offered stand for.
    pub(crate) offers: Vec<Vec<Offer>>,
    pub(crate) decision: Decision,
    /// The decision with its input, where that is wanted.
    pub(crate) record: Option<Box<Recorded>>,
}

/// What an operating point stands for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Offer {
    pub(crate) encoding: u8,
    /// The limit by which it is given.
    pub(crate) limit: Layer,
    /// The highest layer that it has.
    pub(crate) layer: Layer,
    /// As signalling shows it.
    pub(crate) state: EncodingState,
}

/// Decides for one participant, by its policy if it has one.
pub(crate) fn select(
    now: Timestamp,
    receiver: &Participant,
    publications: &BTreeMap<PublicationId, Publication>,
    speakers: &Speakers,
    budget: Option<Budget>,
    max_height: Option<u32>,
    policy: Option<&mut Box<dyn Policy>>,
) -> Selection {
    let mut shown: Vec<(usize, &Slot, &Publication)> = receiver
        .slots
        .iter()
        .enumerate()
        .filter(|(_, slot)| slot.kind == MediaKind::Video && slot.is_active())
        .filter_map(|(at, slot)| Some((at, slot, publications.get(&slot.shows?)?)))
        .collect();
    // Among equal roles the earlier one goes first: whoever spoke last.
    let rank = |publication: &Publication| speakers.recency(publication.participant).unwrap_or(usize::MAX);
    shown.sort_by_key(|(at, _, publication)| (rank(publication), *at));

    let (points, offers): (Vec<Vec<OperatingPoint>>, Vec<Vec<Offer>>) =
        shown.iter().map(|(_, slot, publication)| points(now, slot, publication)).unzip();
    // In a wall of equal tiles nobody is on stage, whoever speaks: it would flicker with every word.
    let smallest = shown.iter().filter_map(|(_, slot, _)| area(slot)).min();
    let stands_out = |slot: &Slot| match (area(slot), smallest) {
        (Some(own), Some(least)) => own > least,
        _ => true,
    };
    let subscriptions = shown
        .iter()
        .zip(points.iter().zip(&offers))
        .map(|((_, slot, publication), (points, offers))| {
            let bound = max_height.filter(|_| bounds(max_height, slot, publication));
            let speaks = rank(publication) == 0 && stands_out(slot);
            Subscription {
                max_height: bound.or(slot.view.max_height),
                ..subscription(slot, publication, points, offers, speaks)
            }
        })
        .collect();
    let device = receiver.health.applied(receiver.device);
    let input = Input { now, device, budget, subscriptions };
    let decision = match policy {
        Some(policy) => policy.decide(&input),
        None => selector::allocate(&input),
    };
    let record = receiver.recording.then(|| Box::new(Recorded::new(&input, &decision)));
    Selection { slots: shown.iter().map(|(at, ..)| *at).collect(), offers, decision, record }
}

fn subscription<'a>(
    slot: &Slot,
    publication: &Publication,
    points: &'a [OperatingPoint],
    offers: &[Offer],
    speaks: bool,
) -> Subscription<'a> {
    let position = |origin: Option<Origin>, limit: Layer| {
        let origin = origin.filter(|origin| origin.publication == publication.id)?;
        place(offers, origin.encoding, limit)
    };
    let screen = publication.source == Source::Screen;
    Subscription {
        viewport: Viewport::from_sides(slot.view.width, slot.view.height),
        max_fps: slot.view.max_fps,
        floor_height: if screen { SCREEN_FLOOR } else { 0 },
        target: position(slot.switch.target(), slot.wish()),
        current: position(slot.switch.current(), slot.limit()),
        stability: slot.stability,
        ..Subscription::new(role(slot.view.priority, screen, speaks), Cow::Borrowed(points))
    }
}

/// Pixels that a slot is shown with, where that is known.
fn area(slot: &Slot) -> Option<u64> {
    let (width, height) = slot.view.width.zip(slot.view.height)?;
    Some(u64::from(width) * u64::from(height))
}

/// Whether the bound on everybody's cameras is lower than what the client itself asked for.
pub(crate) fn bounds(max_height: Option<u32>, slot: &Slot, publication: &Publication) -> bool {
    let camera = publication.source != Source::Screen;
    max_height.is_some_and(|max| camera && slot.view.max_height.is_none_or(|own| own > max))
}

fn role(priority: u8, screen: bool, speaks: bool) -> Role {
    let wished = match priority {
        0 => Role::Thumbnail,
        1 => Role::Tile,
        2 => Role::Stage,
        _ => Role::Pinned,
    };
    // A thumbnail stays one, whoever is in it: its viewport says so.
    match (screen, speaks && wished != Role::Thumbnail) {
        (true, _) => wished.max(Role::Screen),
        (false, true) => wished.max(Role::Stage),
        (false, false) => wished,
    }
}

/// The highest offer of an encoding within a limit; its lowest where none is.
fn place(offers: &[Offer], encoding: u8, limit: Layer) -> Option<usize> {
    let own = || offers.iter().enumerate().filter(|(_, offer)| offer.encoding == encoding);
    let within = own().filter(|(_, offer)| offer.layer.is_within(limit)).max_by_key(|(_, offer)| offer.layer);
    within.or_else(|| own().min_by_key(|(_, offer)| offer.layer)).map(|(at, _)| at)
}

/// What a publication offers to a slot. An encoding whose size is not known yet cannot be offered: its first
/// keyframe will tell.
fn points(now: Timestamp, slot: &Slot, publication: &Publication) -> (Vec<OperatingPoint>, Vec<Offer>) {
    let Some(codec) = codec(publication.codec).filter(|_| slot.accepts(publication.codec)) else {
        return (Vec::new(), Vec::new());
    };
    let (mut points, mut offers) = (Vec::new(), Vec::new());
    let fluency = fluency(publication);
    for (at, encoding) in publication.encodings.iter().enumerate() {
        let alive = publication.is_available(at, now);
        let rungs = encoding.rungs();
        let young = rungs.last().filter(|rung| !rung.settled && publication.source == Source::Camera);
        // Encoders take seconds to get to their rate, and browsers start them low: at first their rate is taken for what it will
        // be, and so are those of their temporal layers.
        let grows =
            young.map_or(1.0, |top| (assumed(top.size) / top.usual.bitrate.as_f64().max(1.0)).max(1.0));
        // One that was starved before it fell silent ended with a trickle, which says nothing about how it will come back.
        let last = rungs.last().map_or(0, |top| top.usual.fps);
        let quickens = match fluency {
            Some(fps) if !encoding.is_live() && (1..fps).contains(&last) => f64::from(fps) / f64::from(last),
            _ => 1.0,
        };
        for rung in rungs {
            let state = encoding.state_of(&rung);
            let measured = rung.usual.fps > 0;
            let fps = (f64::from(rung.usual.fps) * quickens + 0.5) as u32;
            points.push(OperatingPoint {
                // To the selector a spatial layer is an encoding: only temporal layers can be taken up and left at
                // any time.
                encoding: at as u8 * MAX_SPATIAL as u8 + rung.layer.spatial,
                temporal: rung.layer.temporal,
                width: state.width,
                height: state.height,
                fps: if measured { fps } else { ASSUMED_FPS },
                cost: if measured {
                    rung.usual.bitrate.scaled(grows.max(quickens))
                } else {
                    Bitrate::from_f64(assumed(rung.size))
                },
                codec,
                alive,
            });
            offers.push(Offer { encoding: at as u8, limit: rung.limit, layer: rung.layer, state });
        }
    }
    (points, offers)
}

/// The frame rate of a camera's encodings that are being sent, which is the one of all: an encoder makes them of the same pictures.
fn fluency(publication: &Publication) -> Option<u32> {
    let camera = publication.source == Source::Camera;
    let live = publication.encodings.iter().filter(|encoding| camera && encoding.is_live());
    live.filter_map(|encoding| Some(encoding.rungs().last()?.usual.fps)).max()
}

/// What an encoder usually spends on a picture of that size, in bit/s.
fn assumed((width, height): (u32, u32)) -> f64 {
    let root = (f64::from(width) * f64::from(height) / ASSUMED_PIXELS).sqrt();
    ASSUMED_RATE * root * root.sqrt()
}

/// Whether a device that decodes these codecs has use for that one. Every device plays sound.
pub(crate) fn decodes(codecs: selector::CodecSet, codec: Codec) -> bool {
    self::codec(codec).is_none_or(|codec| codecs.contains(codec))
}

/// Every codec of pictures that can be forwarded.
pub(crate) fn forwarded() -> selector::CodecSet {
    Codec::ALL.iter().copied().filter_map(codec).collect()
}

/// A codec as the selector knows it, which decides about pictures only.
pub(crate) fn codec(codec: Codec) -> Option<selector::Codec> {
    match codec {
        Codec::Vp8 => Some(selector::Codec::Vp8),
        Codec::Vp9 => Some(selector::Codec::Vp9),
        Codec::H264 => Some(selector::Codec::H264),
        Codec::Av1 => Some(selector::Codec::Av1),
        Codec::Opus => None,
    }
}
