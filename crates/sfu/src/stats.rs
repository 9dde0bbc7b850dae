//! Counters of a node. Owns their meaning; they only ever grow.

/// What a node has seen that belonged to nobody, or could not be done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Datagrams that belong to no participant.
    pub stray_datagrams: u64,
    /// Connectivity checks from unproven addresses that were not looked at, as there were too many for one participant.
    pub unproven_limited: u64,
    /// Packets for a participant whose media path is not there (any more).
    pub unsendable: u64,
    /// Joins that were accepted, resumes included.
    pub joins: u64,
    /// Joins that took over an earlier participant.
    pub resumes: u64,
    /// Joins that were refused.
    pub joins_refused: u64,
    /// Offers that were answered.
    pub offers: u64,
    /// Offers that were refused.
    pub offers_refused: u64,
    /// Words that were passed on between two who exchange media directly.
    pub direct_passed: u64,
    /// Such words by somebody who is not one of two, or no longer.
    pub direct_refused: u64,
    /// Data channels that clients opened.
    pub channels: u64,
    /// Messages that came over them.
    pub channel_texts: u64,
    /// Messages over them that broke a rule or came too fast.
    pub channel_refused: u64,
    /// Media packets taken in.
    pub packets_in: u64,
    /// Media packets dropped because an operator muted their publication.
    pub silenced: u64,
    /// Media packets handed to other nodes, one for each node.
    pub relayed_out: u64,
    /// Media packets that came from other nodes.
    pub relayed_in: u64,
    /// Words of other nodes about rooms that are not here (any more).
    pub relayed_late: u64,
    /// Packets handed to receivers' transports.
    pub packets_out: u64,
}

/// How much a node holds at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Load {
    /// Rooms with somebody in them.
    pub rooms: usize,
    /// Participants, those who may resume included.
    pub participants: usize,
    /// Participants whose media path is there.
    pub connected: usize,
    /// Rooms of two who were told that they may exchange media directly.
    pub pairs: usize,
    /// How far the node gives way to more work than its core can do: 0 for not at all, from 1 on it takes nobody new, at 2
    /// cameras show at most 360 lines, at 3 at most 180.
    pub overload: u8,
}
