//! The values of the operator's interface, as JSON.
//!
//! Owns their form and how they are made of what `sfu` shows. What participants are told as well (publications, slots with
//! their reasons) has the form of the signalling contract. Rates are bit/s, times milliseconds; a moment is milliseconds
//! since 1970.

use std::time::{Duration, SystemTime};

use schemars::JsonSchema;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Number;
use sfu::{Load, ParticipantView, RoomView};
use signalling::{Connection, DeviceClass, Publication, Reason, Rights, SlotState};
use units::Timestamp;

/// The server and its workers.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct ServerState {
    /// Release of the server.
    pub(crate) version: String,
    /// The present.
    pub(crate) at_ms: u64,
    /// How long it has been running.
    pub(crate) uptime_ms: u64,
    /// Nobody new is let in.
    pub(crate) draining: bool,
    /// What is logged.
    pub(crate) log: String,
    /// One entry per worker.
    pub(crate) workers: Vec<WorkerState>,
}

/// A worker: a thread with a media port and the rooms that live on it.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct WorkerState {
    /// Rooms with somebody in them.
    pub(crate) rooms: u64,
    /// Participants, those who may return included.
    pub(crate) participants: u64,
    /// Participants whose media path is there.
    pub(crate) connected: u64,
    /// How far it gives way to more work than its core can do: 0 for not at all, from 1 on it takes nobody new, at 2 cameras
    /// show at most 360 lines, at 3 at most 180.
    pub(crate) overload: u8,
}

impl From<Load> for WorkerState {
    fn from(load: Load) -> Self {
        let number = |n: usize| n as u64;
        Self {
            rooms: number(load.rooms),
            participants: number(load.participants),
            connected: number(load.connected),
            overload: load.overload,
        }
    }
}

/// All rooms that the token may see.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct RoomList {
    /// By name.
    pub(crate) rooms: Vec<RoomSummary>,
}

/// A room in a list.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct RoomSummary {
    /// Its name.
    pub(crate) name: String,
    /// Who is in it.
    pub(crate) participants: u64,
    /// Those whose media path is there.
    pub(crate) connected: u64,
    /// What is sent to it.
    pub(crate) publications: u64,
    /// What could be better.
    pub(crate) trouble: Trouble,
}

/// Video slots that show less than there is, by what keeps them from it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct Trouble {
    /// Nothing at all is sent, although something is to be shown and is there.
    pub(crate) starved: u64,
    /// Limited by what the link carries.
    pub(crate) link: u64,
    /// Limited by what the device decodes or its battery.
    pub(crate) device: u64,
}

impl Trouble {
    fn add(&mut self, slot: &SlotState) {
        let starved = slot.publication.is_some() && slot.width.is_none();
        match slot.reason {
            Reason::Bandwidth | Reason::Priority if starved => self.starved += 1,
            Reason::DeviceDecodeBudget | Reason::DeviceStreamCount if starved => self.starved += 1,
            Reason::Bandwidth | Reason::Priority => self.link += 1,
            Reason::DeviceDecodeBudget | Reason::DeviceStreamCount | Reason::Power => self.device += 1,
            _ => {}
        }
    }
}

/// A room with everybody in it, what each is sent, and why not more.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Room {
    /// Its name.
    pub(crate) name: String,
    /// When this was so.
    pub(crate) at_ms: u64,
    /// What could be better.
    pub(crate) trouble: Trouble,
    /// In the order of arrival.
    pub(crate) participants: Vec<RoomParticipant>,
}

/// Somebody in a room.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct RoomParticipant {
    /// Names it in paths and in signalling.
    pub(crate) id: String,
    /// What it calls itself.
    pub(crate) name: String,
    /// What its token vouches for.
    pub(crate) identity: Option<String>,
    /// What it may do.
    pub(crate) rights: Rights,
    /// How its media path is doing.
    pub(crate) connection: Connection,
    /// What its device was said to be.
    pub(crate) device: Option<DeviceClass>,
    /// How long it has been there.
    pub(crate) present_ms: u64,
    /// What it sends.
    pub(crate) publications: Vec<Publication>,
    /// Ids of its publications that an operator muted.
    pub(crate) muted_by_operator: Vec<String>,
    /// What is in its slots, with the reason and the next step.
    pub(crate) slots: Vec<SlotState>,
    /// Slots whose height an operator bounded.
    pub(crate) pins: Vec<Pin>,
    /// The most that an operator lets it be sent in all. Absent without such a bound.
    pub(crate) limit_bps: Option<u64>,
    /// What is known of the way to it.
    pub(crate) downlink: Downlink,
}

/// A slot whose height an operator bounded.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Pin {
    /// The slot.
    pub(crate) mid: String,
    /// The shorter side of what it may show, in pixels.
    pub(crate) max_height: u32,
}

/// What is known of the way to a participant. Counts are since it joined.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Downlink {
    /// What the link is believed to carry in all. Absent while nothing is known of it.
    pub(crate) estimate_bps: Option<u64>,
    /// What of it may be spent on pictures.
    pub(crate) budget_bps: Option<u64>,
    /// What is being sent as pictures.
    pub(crate) sent_bps: u64,
    /// Smoothed round-trip time.
    pub(crate) rtt_ms: Option<u64>,
    /// Video that waits for its time, in bytes.
    pub(crate) queued_bytes: u64,
    /// Packets of media.
    pub(crate) packets: u64,
    /// Retransmissions.
    pub(crate) retransmissions: u64,
    /// Packets that feedback acknowledged.
    pub(crate) acknowledged: u64,
    /// Packets that feedback missed, some of which may have come later.
    pub(crate) reported_missing: u64,
    /// Switches between encodings or publications.
    pub(crate) switches: u64,
    /// Bytes sent only to learn what the link carries.
    pub(crate) padding_bytes: u64,
}

impl RoomSummary {
    pub(crate) fn of(room: &RoomView) -> Self {
        let connected = room.participants.iter().filter(|p| p.connection == Connection::Connected);
        Self {
            name: room.name.clone(),
            participants: room.participants.len() as u64,
            connected: connected.count() as u64,
            publications: room.participants.iter().map(|p| p.publications.len() as u64).sum(),
            trouble: trouble(room),
        }
    }
}

impl Room {
    pub(crate) fn of(room: &RoomView, now: Timestamp, at_ms: u64) -> Self {
        Self {
            name: room.name.clone(),
            at_ms,
            trouble: trouble(room),
            participants: room.participants.iter().map(|who| RoomParticipant::of(who, now)).collect(),
        }
    }
}

impl RoomParticipant {
    fn of(who: &ParticipantView, now: Timestamp) -> Self {
        let grant = &who.grant;
        Self {
            id: who.id.clone(),
            name: who.name.clone(),
            identity: grant.identity.clone(),
            rights: Rights {
                publish: grant.publish,
                subscribe: grant.subscribe,
                administrate: grant.administrate,
            },
            connection: who.connection,
            device: who.device,
            present_ms: millis(now - who.joined),
            publications: who.publications.clone(),
            muted_by_operator: who.silenced.clone(),
            slots: who.slots.clone(),
            pins: who
                .pins
                .iter()
                .map(|(mid, height)| Pin { mid: mid.clone(), max_height: *height })
                .collect(),
            limit_bps: who.limit.map(units::Bitrate::as_bps),
            downlink: Downlink::of(who),
        }
    }
}

impl Downlink {
    fn of(who: &ParticipantView) -> Self {
        let stats = &who.downlink;
        Self {
            estimate_bps: stats.estimate.map(|estimate| estimate.target.as_bps()),
            budget_bps: who.budget.map(units::Bitrate::as_bps),
            sent_bps: who.slots.iter().map(|slot| slot.bitrate_bps).sum(),
            rtt_ms: stats.rtt.map(millis),
            queued_bytes: stats.queued.as_bytes(),
            packets: stats.packets,
            retransmissions: stats.retransmissions,
            acknowledged: stats.acknowledged,
            reported_missing: stats.reported_missing,
            switches: stats.switches,
            padding_bytes: stats.padding_bytes,
        }
    }
}

fn trouble(room: &RoomView) -> Trouble {
    let mut trouble = Trouble::default();
    room.participants.iter().flat_map(|who| &who.slots).for_each(|slot| trouble.add(slot));
    trouble
}

/// What was in a room over time.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct RoomHistory {
    /// Its name.
    pub(crate) name: String,
    /// Between two samples.
    pub(crate) interval_ms: u64,
    /// Everybody who was there, those who left included, in the order of arrival.
    pub(crate) participants: Vec<ParticipantHistory>,
}

/// What somebody was sent over time. The lists of numbers have one entry per sample, all in the same order.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct ParticipantHistory {
    /// Names it.
    pub(crate) id: String,
    /// What it called itself last.
    pub(crate) name: String,
    /// When each sample was taken.
    pub(crate) at_ms: Vec<u64>,
    /// What the link was believed to carry.
    pub(crate) estimate_bps: Vec<Option<u64>>,
    /// What of it could be spent on pictures.
    pub(crate) budget_bps: Vec<Option<u64>>,
    /// Smoothed round-trip time.
    pub(crate) rtt_ms: Vec<Option<u64>>,
    /// Packets that feedback missed since the sample before.
    pub(crate) missing: Vec<u64>,
    /// Switches since the sample before.
    pub(crate) switches: Vec<u64>,
    /// One entry per slot.
    pub(crate) slots: Vec<SlotHistory>,
}

/// What a slot showed over time.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct SlotHistory {
    /// The slot.
    pub(crate) mid: String,
    /// What was sent in it, one entry per sample.
    pub(crate) bitrate_bps: Vec<u64>,
    /// What it showed and why, from each change to the next. A change of its rate alone is none.
    pub(crate) states: Vec<SlotMoment>,
}

/// From when a slot was so.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct SlotMoment {
    /// From when.
    pub(crate) from_ms: u64,
    /// What was in it, and why not more.
    pub(crate) state: SlotState,
}

/// The longest address that clients are sent to.
pub(super) const ADDRESS_CHARS: usize = 2_048;
/// The longest filter of the log.
pub(super) const FILTER_CHARS: usize = 1_024;
/// The largest side of a picture that a pin may name.
pub(super) const SIDE_MAX: u32 = 65_535;
/// The largest rate that a limit may name: a Tbit/s.
pub(super) const RATE_MAX: u64 = 1_000_000_000_000;

/// Something that an operator asks of a participant. What is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ParticipantChange {
    /// Mute everything that it sends, or give it its voice back.
    pub(crate) muted: Option<bool>,
    /// Mute one of its publications, or give it its voice back.
    pub(crate) publication: Option<PublicationChange>,
    /// Bound the height of what it sees in one slot.
    pub(crate) pin: Option<PinChange>,
    /// Bound what it is sent in all.
    pub(crate) limit: Option<LimitChange>,
}

/// Mutes a publication, or gives it its voice back.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PublicationChange {
    /// Which.
    pub(crate) id: String,
    /// Muted or not.
    pub(crate) muted: bool,
}

/// Bounds the height of what is seen in one slot.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PinChange {
    /// The slot.
    pub(crate) mid: String,
    /// The shorter side in pixels, from 1 to 65535; null for no bound.
    #[schemars(range(min = 1, max = SIDE_MAX))]
    #[serde(default, deserialize_with = "whole")]
    pub(crate) max_height: Option<u32>,
}

/// Bounds what somebody is sent in all, in the long run. Sound goes first; pictures get what is left.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct LimitChange {
    /// The most, in bit/s; null for no bound but that of the client itself.
    #[schemars(range(max = RATE_MAX))]
    #[serde(default, deserialize_with = "whole")]
    pub(crate) max_bps: Option<u64>,
}

/// A whole number, also where it is written with a fraction of nothing: in JSON Schema 400.0 is an integer, and some
/// languages write it so.
fn whole<'de, D: Deserializer<'de>, N: TryFrom<u64>>(from: D) -> Result<Option<N>, D::Error> {
    let Some(number) = Option::<Number>::deserialize(from)? else { return Ok(None) };
    // Beyond 2^53 such a number is not exact, but then it is no rate or size either.
    let exact =
        |number: f64| (number.fract() == 0.0 && (0.0..9e15).contains(&number)).then_some(number as u64);
    let value =
        number.as_u64().or_else(|| number.as_f64().and_then(exact)).and_then(|value| N::try_from(value).ok());
    value.map(Some).ok_or_else(|| D::Error::custom(format!("{number} is no whole number that belongs here")))
}

/// Something that an operator asks of the server. What is absent stays as it is.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ServerChange {
    /// Let nobody new in, or let people in again. Calls that are under way go on.
    pub(crate) draining: Option<bool>,
    /// With `draining`: the signalling address at which those who are here shall go on.
    #[schemars(length(max = ADDRESS_CHARS), regex(pattern = r"^wss?://[!-~]+$"))]
    pub(crate) move_to: Option<String>,
    /// What to log, as in the setting `log`.
    #[schemars(length(min = 1, max = FILTER_CHARS))]
    pub(crate) log: Option<String>,
}

/// Why a request was refused.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub(crate) struct Problem {
    /// For programs.
    pub(crate) code: String,
    /// For people: what it was and what to do.
    pub(crate) message: String,
}

/// The present, in milliseconds since 1970.
pub(crate) fn now_ms() -> u64 {
    millis(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default())
}

pub(crate) fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
