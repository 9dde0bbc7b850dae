//! Temporal and spatial layers inside an encoding, as one receiver sees them.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use packet::codec::vp9;
use packet::{Codec, Extensions, MediaKind, RtpPacket};
use router::{Incoming, OutgoingPacket, Output, ParticipantId, Room, RoomEvent, SendingSection, Want};
use selector::{DeviceProfile, Reason};
use units::Timestamp;

use crate::receiver::{Frame, Stream, VP9};
use crate::source::Camera;
use crate::world::{Fate, World, generous, mid, slots};

const VIEWER: u32 = 50;

/// A viewer of one camera with three temporal layers.
fn viewer_of(codec: Codec) -> (World, ParticipantId) {
    let mut world = World::new();
    world.camera(Camera { temporal: true, ..Camera::new(1, codec) });
    let viewer = world.receiver(VIEWER, generous(), 1, 0);
    world.view(viewer, &[(Want::Auto, 360)]);
    world.run(3_000);
    (world, viewer)
}

fn stream(world: &World, viewer: ParticipantId) -> &Stream {
    world.receivers[&viewer].slot(0)
}

/// Lets time pass with that limit of frames per second. Returns what was decoded meanwhile.
fn at_rate(world: &mut World, viewer: ParticipantId, fps: Option<u32>) -> Vec<Frame> {
    world.view_at(viewer, &[(Want::Auto, 360)], fps);
    let since = world.now;
    world.run(2_000);
    stream(world, viewer).decoded().into_iter().filter(|frame| frame.shown > since).collect()
}

/// Checklist 6 and 9: whole frames are dropped, numbers close up, nothing is taken up before it can be decoded.
#[test]
fn temporal_layers_come_and_go_without_a_keyframe() {
    for codec in [Codec::Vp8, Codec::Vp9, Codec::Av1] {
        let (mut world, viewer) = viewer_of(codec);
        let (calm, switches) = (world.now, world.room.downlink(viewer).unwrap().switches);
        let mut all = 0;
        for (fps, frames, why) in [
            (Some(15), 29..=33, "half of them"),
            (Some(8), 14..=18, "a quarter"),
            (Some(15), 28..=33, "half again"),
            (None, 57..=62, "all"),
            (Some(8), 14..=18, "a quarter at once"),
            (None, 56..=62, "all at once"),
        ] {
            let shown = at_rate(&mut world, viewer, fps);
            assert!(frames.contains(&shown.len()), "{codec}, {why}: {}", shown.len());
            assert_eq!(shown.last().unwrap().truth.encoding, 1, "{codec}: the size stays");
            all += shown.len();
        }
        let stream = stream(&world, viewer);
        assert_eq!(stream.missing(), [], "{codec}: numbers have no holes");
        let since = stream.frames().into_iter().filter(|frame| frame.shown > calm).collect::<Vec<_>>();
        assert_eq!(since.len(), all, "{codec}: every frame that is sent is decoded");
        assert!(since.iter().all(|frame| !frame.truth.keyframe), "{codec}: no keyframe was needed");
        assert_eq!(world.room.downlink(viewer).unwrap().switches, switches, "{codec}");
        let pause = stream.longest_pause();
        assert!(pause <= Duration::from_millis(140), "{codec}: {pause:?}");
    }
}

/// What is offered and said is what was measured.
#[test]
fn slots_say_what_their_layers_are_worth() {
    let (mut world, viewer) = viewer_of(Codec::Vp8);
    let mut said = Vec::new();
    for fps in [None, Some(15), Some(8)] {
        at_rate(&mut world, viewer, fps);
        let state = world.room.slots(viewer).remove(0);
        let encoding = state.encoding.unwrap();
        said.push((encoding.height, encoding.fps, encoding.bitrate.as_kbps()));
    }
    assert!(said.iter().all(|(height, ..)| *height == 360), "{said:?}");
    assert!(
        (28..=31).contains(&said[0].1) && (14..=16).contains(&said[1].1) && (7..=8).contains(&said[2].1),
        "{said:?}"
    );
    let half = said[0].2 / 2;
    assert!(said[1].2.abs_diff(half) < half / 10 && said[2].2.abs_diff(half / 2) < half / 10, "{said:?}");
}

/// Checklist 7: whatever is lost, late or doubled on the way in, no frame is sent in part.
#[test]
fn late_packets_of_dropped_frames_are_dropped_too() {
    for codec in [Codec::Vp8, Codec::Vp9, Codec::Av1] {
        let (mut world, viewer) = viewer_of(codec);
        let mut count = 0u32;
        world.uplink = Box::new(move |_| {
            count += 1;
            match count % 11 {
                3 => Fate::Late(20),
                7 => Fate::Late(90),
                _ => Fate::Arrives,
            }
        });
        for fps in [Some(15), Some(8), None, Some(8), Some(15)] {
            at_rate(&mut world, viewer, fps);
        }
        world.uplink = Box::new(|_| Fate::Arrives);
        let shown = at_rate(&mut world, viewer, Some(15)).len();
        assert!((28..=33).contains(&shown), "{codec}: {shown}");
        assert_eq!(stream(&world, viewer).missing(), [], "{codec}: what was promised was sent");
    }
}

/// Checklist 10: while a smaller picture is waited for, the larger one is relieved of its upper layers.
#[test]
fn a_downward_switch_sheds_upper_temporal_layers_at_once() {
    let (mut world, viewer) = viewer_of(Codec::Vp8);
    world.cameras[0].answers = crate::source::Answers::Never;
    world.view(viewer, &[(Want::Auto, 180)]);
    let since = world.now;
    world.run(1_000);
    let shown: Vec<Frame> =
        stream(&world, viewer).decoded().into_iter().filter(|frame| frame.shown > since).collect();
    assert!(shown.iter().all(|frame| frame.truth.encoding == 1), "no keyframe to switch at");
    assert!((7..=10).contains(&shown.len()), "a quarter of the frames: {}", shown.len());
}

/// Checklist 17: what a receiver is told of the layers is what it gets.
#[test]
fn decode_targets_follow_what_is_sent() {
    use packet::extension::dependency::DependencyDescriptor;
    let (mut world, viewer) = viewer_of(Codec::Av1);
    for (fps, mask) in [(None, 0b111), (Some(15), 0b011), (Some(8), 0b001)] {
        at_rate(&mut world, viewer, fps);
        let stream = stream(&world, viewer);
        let (mut structure, mut active) = (None, None);
        for packet in stream.packets.values() {
            let bytes = packet.dependency.as_deref().expect("every packet has one");
            let descriptor = DependencyDescriptor::parse(bytes, structure.as_ref()).unwrap();
            active = descriptor.active.or(active);
            structure = descriptor.structure.or(structure);
        }
        assert_eq!(active, Some(mask), "{fps:?}");
    }
}

/// The first packet of a keyframe, which carries the structure, may come behind the rest: to a receiver that waits for it
/// as to one that has the keyframe before.
#[test]
fn a_structure_may_come_behind_what_it_describes() {
    let mut world = World::new();
    world.camera(Camera { temporal: true, ..Camera::new(1, Codec::Av1) });
    world.uplink = Box::new(|truth| match truth.keyframe && truth.index == 0 {
        true => Fate::Late(90),
        false => Fate::Arrives,
    });
    let viewer = world.receiver(VIEWER, generous(), 1, 0);
    world.view(viewer, &[(Want::Auto, 360)]);
    world.run(1_000);
    for (fps, frames) in [(None, 56..=62), (Some(15), 28..=33)] {
        at_rate(&mut world, viewer, fps);
        let keyframes = |world: &World| {
            stream(world, viewer).decoded().iter().filter(|frame| frame.truth.keyframe).count()
        };
        let before = keyframes(&world);
        let media_ssrc = crate::receiver::ssrc(0);
        world.tell(viewer, packet::RtcpItem::Pli { sender_ssrc: 1, media_ssrc });
        let shown = at_rate(&mut world, viewer, fps);
        assert!(frames.contains(&shown.len()), "{fps:?}: {}", shown.len());
        assert_eq!(keyframes(&world), before + 1, "{fps:?}: a keyframe with new template ids is decoded");
    }
    // One that starts there and wants the base layer alone is not sent the upper ones that came first.
    let modest = world.receiver(VIEWER + 1, generous(), 1, 0);
    world.view_at(modest, &[(Want::Auto, 360)], Some(8));
    world.run(1_000);
    let got = stream(&world, modest).packets.values().filter_map(|packet| packet.truth);
    let (base, upper): (Vec<_>, Vec<_>) = got.partition(|truth| truth.temporal == 0);
    assert!(base.len() > 5 && upper.is_empty(), "{} {upper:?}", base.len());
    let stream = stream(&world, viewer);
    assert_eq!(stream.missing(), [], "what was promised was sent");
    let bare = stream.packets.values().filter(|packet| packet.dependency.is_none()).count();
    assert_eq!(bare, 0, "every packet has a descriptor");
}

/// A receiver is never sent what it cannot decode, and is told why a picture that it asked for does not come.
#[test]
fn a_codec_that_a_receiver_does_not_decode_is_named_and_never_sent() {
    let only_vp8 =
        DeviceProfile { codecs: selector::CodecSet::from_iter([selector::Codec::Vp8]), ..generous() };
    let vp8_slots = |count| {
        let mut sections = slots(count, 0);
        sections.iter_mut().for_each(|section| section.codecs.retain(|codec| codec.codec == Codec::Vp8));
        sections
    };
    for (device, sections, why) in [
        (only_vp8, slots(2, 0), "the device does not decode it"),
        (generous(), vp8_slots(2), "the slot was not offered it"),
    ] {
        let mut world = World::new();
        let plain = world.camera(Camera::new(1, Codec::Vp8));
        let foreign = world.camera(Camera::new(2, Codec::Av1));
        let viewer = world.join(VIEWER, device);
        world.act(|room, now, out| room.set_sections(now, viewer, &[], &sections, out));
        world.view(viewer, &[(Want::Publication(foreign), 360), (Want::Publication(plain), 360)]);
        world.run(3_000);
        let states = world.room.slots(viewer);
        assert_eq!((states[0].reason, states[0].encoding), (Reason::Codec, None), "{why}");
        assert!(states[1].encoding.is_some(), "{why}");
        let streams = &world.receivers[&viewer].streams;
        assert!(streams.values().flat_map(|s| s.packets.values()).all(|p| p.codec == Codec::Vp8), "{why}");
        // What the room chooses by itself can be decoded, as long as there is such; what cannot is named where there is room.
        let mut shown = |wants: [Want; 2]| {
            world.view(viewer, &wants.map(|want| (want, 360)));
            world.run(500);
            world.room.slots(viewer).iter().map(|state| state.publication).collect::<Vec<_>>()
        };
        let mixed = shown([Want::Auto, Want::Auto]);
        assert_eq!(mixed, [Some(foreign), Some(plain)], "{why}: what is shown stays where it is");
        assert_eq!(shown([Want::Auto, Want::Nothing]), [Some(plain), None], "{why}: one slot");
        assert_eq!(shown([Want::Auto, Want::Auto]), [Some(plain), Some(foreign)], "{why}: and both again");
        let states = world.room.slots(viewer);
        assert_eq!((states[1].reason, states[1].encoding), (Reason::Codec, None), "{why}");
    }
}

/// A publisher is asked for a codec that all of the others decode: at once when somebody comes who lacks its own, and later for
/// any again.
#[test]
fn a_publisher_is_asked_for_a_codec_that_everybody_else_decodes() {
    use selector::Codec::{Av1, H264, Vp8, Vp9};
    let asked = |world: &World, publisher: u32| {
        world.events.iter().rev().find_map(|(_, event)| match event {
            RoomEvent::Demand { participant, codecs, .. } if participant.0 == publisher => Some(*codecs),
            _ => None,
        })
    };
    let only = |codecs: &[selector::Codec]| Some(Some(codecs.iter().copied().collect()));
    let device =
        |codecs: &[selector::Codec]| DeviceProfile { codecs: codecs.iter().copied().collect(), ..generous() };
    let mut world = World::new();
    world.camera(Camera::new(1, Codec::Av1));
    world.camera(Camera::new(2, Codec::Vp8));
    let viewer = world.receiver(VIEWER, generous(), 1, 0);
    world.run(1_000);
    assert_eq!(asked(&world, 1).flatten(), None, "any");

    let modest = world.receiver(VIEWER + 1, device(&[Vp8, H264]), 1, 0);
    world.run(1);
    assert_eq!(asked(&world, 1), only(&[Vp8, H264]), "at once");
    assert_eq!(asked(&world, 2), only(&[Vp8, H264]), "whatever it sends now");
    // Who sends and receives does not count among its own receivers.
    let mut own = slots(1, 0);
    own[0].codecs.retain(|codec| codec.codec == Codec::Vp9);
    let sending = crate::world::section(&world.cameras[0]);
    world.act(|room, now, out| room.set_sections(now, ParticipantId(1), &[sending], &own, out));
    assert_eq!(asked(&world, 1), only(&[Vp8, H264]), "its own slot takes VP9 alone");
    world.run(3_001);
    assert_eq!(
        asked(&world, 2),
        only(&[Vp8, Vp9, H264]),
        "two of three is the most that can be served: all are equal"
    );

    world.act(|room, now, out| room.remove_participant(now, ParticipantId(1), out));
    world.act(|room, now, out| room.set_device(now, modest, device(&[Vp8, Av1]), out));
    assert_eq!(asked(&world, 2), only(&[Vp8, Av1]), "a device says something else");
    world.act(|room, now, out| room.remove_participant(now, modest, out));
    world.run(1_000);
    assert_eq!(asked(&world, 2), only(&[Vp8, Av1]), "somebody like it may come again");
    world.run(3_000);
    assert_eq!(asked(&world, 2), Some(None), "any again");
    assert!(world.room.slots(viewer)[0].encoding.is_some());
}

/// A publisher of three spatial layers in one stream (VP9, L3T1_KEY): after a keyframe each refers to itself only.
struct Scalable {
    sequence: u16,
    picture: u16,
    wants_keyframe: bool,
}

impl Scalable {
    const PACKETS: u16 = 2;

    fn picture(&mut self, now: Timestamp) -> Vec<Incoming> {
        let keyframe = std::mem::take(&mut self.wants_keyframe);
        self.picture += 1;
        let mut packets = Vec::new();
        for (spatial, index) in
            (0..3u8).flat_map(|spatial| (0..Self::PACKETS).map(move |index| (spatial, index)))
        {
            let mut payload = BytesMut::new();
            let structure = keyframe && spatial == 0 && index == 0;
            let end = index + 1 == Self::PACKETS;
            vp9::Descriptor {
                inter_predicted: !keyframe,
                start: index == 0,
                end,
                structure,
                picture_id: Some(self.picture),
                layers: Some(vp9::LayerIndices {
                    spatial,
                    depends: keyframe && spatial > 0,
                    ..vp9::LayerIndices::default()
                }),
                tl0_picture_index: Some(self.picture as u8),
                ..vp9::Descriptor::default()
            }
            .write(&mut payload);
            if structure {
                payload.put_slice(&[0x50, 1, 64, 0, 180, 2, 128, 1, 104, 5, 0, 2, 208]);
            }
            payload.put_bytes(1, 200 << (2 * spatial));
            self.sequence = self.sequence.wrapping_add(1);
            let packet = RtpPacket {
                ssrc: 7,
                payload_type: 98,
                sequence: self.sequence,
                timestamp: (now.as_micros() * 9 / 100) as u32,
                marker: end && spatial == 2,
                extensions: Extensions::default(),
                wire_size: payload.len() + 12,
                payload: payload.freeze(),
                padding: 0,
            };
            packets.push(Incoming { mid: mid("cam"), rid: None, codec: Codec::Vp9, packet, redundant: None });
        }
        packets
    }
}

/// What a receiver got of one picture: spatial layers in order, and whether its marker ends it.
#[derive(Debug, Default)]
struct Picture {
    layers: Vec<u8>,
    numbers: Vec<u16>,
    markers: Vec<bool>,
    keyframe: bool,
}

/// Spatial layers inside one stream are points like encodings: up with a keyframe, down at once, and every picture ends.
#[test]
fn spatial_layers_of_one_stream_are_switched_like_encodings() {
    let (publisher, viewer) = (ParticipantId(1), ParticipantId(VIEWER));
    let mut room = Room::new(router::Config::default(), 1);
    let mut now = Timestamp::from_secs(100);
    let mut out = Vec::new();
    for id in [publisher, viewer] {
        room.add_participant(now, id, generous());
        room.set_connected(now, id, true, &mut out);
    }
    let section = SendingSection {
        mid: mid("cam"),
        kind: MediaKind::Video,
        active: true,
        codec: Codec::Vp9,
        rids: Vec::new(),
    };
    room.set_sections(now, publisher, &[section], &[], &mut out);
    room.set_sections(now, viewer, &[], &slots(1, 0), &mut out);
    let mut source = Scalable { sequence: 65_500, picture: 90, wants_keyframe: true };
    let mut pictures: BTreeMap<u32, Picture> = BTreeMap::new();
    let mut run = |room: &mut Room, height: u32, frames: u32, answers: bool| {
        let view = router::SlotView {
            width: Some(height * 16 / 9),
            height: Some(height),
            ..router::SlotView::new(slots(1, 0)[0].mid, Want::Auto)
        };
        let mut out = Vec::new();
        room.set_view(now, viewer, &[view], &mut out);
        let (mut shown, mut asked) = (BTreeMap::new(), 0);
        for _ in 0..frames {
            now += Duration::from_millis(33);
            room.handle_timeout(now, &mut out);
            for incoming in source.picture(now) {
                room.handle_rtp(now, publisher, incoming, &mut out);
            }
            for output in out.drain(..) {
                match output {
                    Output::Rtp { packet, .. } => take(&mut pictures, &mut shown, &packet),
                    Output::Rtcp { to, .. } if to == publisher => {
                        asked += 1;
                        source.wants_keyframe |= answers;
                    }
                    _ => {}
                }
            }
        }
        (shown, asked)
    };
    let all_show = |shown: &BTreeMap<u32, Vec<u8>>, layers: &[u8]| {
        let tail: Vec<_> = shown.values().rev().take(10).collect();
        assert!(tail.iter().all(|shown| **shown == layers), "{layers:?}: {tail:?}");
    };
    let (shown, _) = run(&mut room, 180, 60, true);
    all_show(&shown, &[0]);
    let (shown, asked) = run(&mut room, 720, 30, false);
    all_show(&shown, &[0]);
    assert!(asked > 0, "a keyframe is asked for to go up");
    let (shown, _) = run(&mut room, 720, 30, true);
    all_show(&shown, &[0, 1, 2]);
    assert_eq!(room.slots(viewer)[0].encoding.unwrap().height, 720);
    let told = room.publications();
    let heights: Vec<u32> = told[0].encodings.iter().map(|encoding| encoding.height).collect();
    assert_eq!(heights, [180, 360, 720], "everybody is told of each layer");
    let (shown, asked) = run(&mut room, 360, 30, true);
    all_show(&shown, &[0, 1]);
    assert_eq!(shown.values().filter(|layers| layers.len() == 3).count(), 0, "down at once");
    assert_eq!(asked, 0, "and without a keyframe");
    assert_eq!(room.slots(viewer)[0].encoding.unwrap().height, 360);

    let mut next = None;
    let mut held = 0;
    for picture in pictures.values() {
        for number in &picture.numbers {
            assert!(next.is_none_or(|next| *number == next), "numbers close up");
            next = Some(number.wrapping_add(1));
        }
        let top = picture.layers.last().copied().unwrap_or(0);
        assert!(picture.keyframe || top <= held, "no layer is taken up inside a group of pictures");
        held = top;
        let (last, before) = picture.markers.split_last().unwrap();
        assert!(
            *last && !before.contains(&true),
            "the marker is on the last packet that is sent: {picture:?}"
        );
    }
}

fn take(pictures: &mut BTreeMap<u32, Picture>, shown: &mut BTreeMap<u32, Vec<u8>>, packet: &OutgoingPacket) {
    if packet.header.payload_type != VP9 || packet.payload.is_empty() {
        return;
    }
    let bytes = [&packet.prefix[..], &packet.payload].concat();
    let (descriptor, _) = vp9::Descriptor::parse(&bytes).unwrap();
    let spatial = descriptor.layers.unwrap().spatial;
    // The stream starts anywhere, and time goes on from there.
    let picture = pictures.entry(packet.header.timestamp).or_default();
    picture.numbers.push(packet.header.sequence);
    picture.markers.push(packet.header.marker);
    picture.keyframe |= !descriptor.inter_predicted;
    for layers in [&mut picture.layers, shown.entry(packet.header.timestamp).or_default()] {
        if layers.last() != Some(&spatial) {
            layers.push(spatial);
        }
    }
}
