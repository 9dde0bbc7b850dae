//! Random interleavings of loss, reordering, duplication, switches, reconnects and restarts. The receiver's
//! own checks are the property: no mosaic, no number used twice, no time or picture id that goes back,
//! transport-wide numbers without gaps.

use std::time::Duration;

use packet::Codec;
use proptest::prelude::*;
use router::{ParticipantId, PublicationId, Want};

use crate::source::{Camera, Microphone};
use crate::world::{Fate, World, generous};

const VIEWER: u32 = 50;

/// Something that happens.
#[derive(Clone, Copy, Debug)]
enum Step {
    Wait(u64),
    Show { publication: u8, height: u32 },
    Rate(u32),
    Hide,
    Layer { camera: u8, layer: u8, on: bool },
    Reconnect(u64),
    Leave(u8),
    Delay { camera: u8, layer: u8, ms: u64 },
    Jump { camera: u8, layer: u8, by: u32 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let height = proptest::sample::select(vec![180u32, 360, 720]);
    let step = prop_oneof![
        4 => (1u64..900).prop_map(Step::Wait),
        4 => (0u8..5, height).prop_map(|(publication, height)| Step::Show { publication, height }),
        2 => proptest::sample::select(vec![8u32, 15, 60]).prop_map(Step::Rate),
        1 => Just(Step::Hide),
        2 => (0u8..5, 0u8..3, any::<bool>()).prop_map(|(camera, layer, on)| Step::Layer { camera, layer, on }),
        1 => (1u64..500).prop_map(Step::Reconnect),
        1 => (0u8..6).prop_map(Step::Leave),
        2 => (0u8..5, 0u8..3, 0u64..120).prop_map(|(camera, layer, ms)| Step::Delay { camera, layer, ms }),
        1 => (0u8..5, 0u8..3, any::<u32>()).prop_map(|(camera, layer, by)| Step::Jump { camera, layer, by }),
    ];
    proptest::collection::vec(step, 1..25)
}

/// Per 256 packets: late by a little, late by a round trip, twice, lost; and lost on the way down.
type Weather = (u8, u8, u8, u8, u8);

fn weather() -> impl Strategy<Value = Weather> {
    prop_oneof![Just((0, 0, 0, 0, 0)), (0u8..40, 0u8..40, 0u8..40, 0u8..20, 0u8..40)]
}

fn build(weather: Weather, seed: u32) -> (World, ParticipantId, Vec<PublicationId>) {
    let mut world = World::new();
    let codecs = [Codec::Vp8, Codec::H264, Codec::Vp8, Codec::Vp9, Codec::Av1];
    let publications: Vec<PublicationId> = codecs
        .iter()
        .enumerate()
        .map(|(at, codec)| {
            let wall = (at != 1).then_some(1_000_000 * at as u64);
            let mut camera = Camera { wall, temporal: at >= 2, ..Camera::new(at as u32 + 1, *codec) };
            camera.layers.iter_mut().for_each(|layer| layer.long_pictures = at == 0);
            world.camera(camera)
        })
        .collect();
    world.microphone(Microphone::new(9, 30), 1);
    let viewer = world.receiver(VIEWER, generous(), 1, 1);
    world.reports_every = Some(Duration::from_millis(700));
    let mut random = seed;
    let mut dice = move || {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 24) as u8
    };
    let (little, much, twice, lost, down) = weather;
    let mut below = dice;
    world.uplink = Box::new(move |_| {
        let mut roll = dice();
        for (share, fate) in
            [(little, Fate::Late(3)), (much, Fate::Late(70)), (twice, Fate::Twice(30)), (lost, Fate::Lost)]
        {
            if roll < share {
                return fate;
            }
            roll -= share;
        }
        Fate::Arrives
    });
    world.downlink = Box::new(move |_, _| below() < down);
    world.receivers.get_mut(&viewer).unwrap().nack_after = Some(Duration::from_millis(100));
    (world, viewer, publications)
}

fn perform(world: &mut World, viewer: ParticipantId, publications: &[PublicationId], step: Step) {
    let camera = |world: &World, id: u8| world.cameras.iter().position(|c| c.id == u32::from(id) + 1);
    match step {
        Step::Wait(ms) => world.run(ms),
        Step::Show { publication, height } => {
            world.view(viewer, &[(Want::Publication(publications[usize::from(publication)]), height)]);
        }
        Step::Rate(fps) => world.view_at(viewer, &[(Want::Auto, 720)], Some(fps)),
        Step::Hide => world.view(viewer, &[(Want::Auto, 0)]),
        Step::Layer { camera: id, layer, on } => {
            if let Some(at) = camera(world, id) {
                world.cameras[at].layers[usize::from(layer)].active = on;
            }
        }
        Step::Reconnect(ms) => {
            world.act(|room, now, out| room.set_connected(now, viewer, false, out));
            world.run(ms);
            world.act(|room, now, out| room.set_connected(now, viewer, true, out));
        }
        Step::Leave(id) => {
            if let Some(at) = camera(world, id) {
                world.cameras.remove(at);
                world.act(|room, now, out| {
                    room.remove_participant(now, ParticipantId(u32::from(id) + 1), out)
                });
            }
        }
        Step::Delay { camera: id, layer, ms } => {
            if let Some(at) = camera(world, id) {
                world.cameras[at].layers[usize::from(layer)].delay = ms;
            }
        }
        // A publisher whose numbers and clock jump, as after a restart of its encoder.
        Step::Jump { camera: id, layer, by } => {
            if let Some(at) = camera(world, id) {
                let layer = &mut world.cameras[at].layers[usize::from(layer)];
                layer.ssrc = layer.ssrc.wrapping_add(1_000);
                layer.sequence = layer.sequence.wrapping_add(by as u16);
                layer.timestamp_base = layer.timestamp_base.wrapping_add(by);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn receivers_are_never_fooled(steps in steps(), weather in weather(), seed: u32) {
        let (mut world, viewer, publications) = build(weather, seed);
        for step in steps {
            perform(&mut world, viewer, &publications, step);
        }
        // Whatever happened, once all is calm the wanted picture comes within two seconds.
        world.uplink = Box::new(|_| Fate::Arrives);
        world.downlink = Box::new(|_, _| false);
        world.cameras.iter_mut().flat_map(|camera| &mut camera.layers).for_each(|layer| {
            layer.active = true;
            layer.delay = 5;
        });
        world.view(viewer, &[(Want::Auto, 360)]);
        world.run(300);
        let calm = world.now;
        // A decoder that lost its reference for good asks for a keyframe, as browsers do after a while.
        for _ in 0..2 {
            let media_ssrc = crate::receiver::ssrc(0);
            world.tell(viewer, packet::RtcpItem::Pli { sender_ssrc: 1, media_ssrc });
            world.run(1_000);
        }
        let receiver = &world.receivers[&viewer];
        for stream in receiver.streams.values() {
            stream.frames();
        }
        if !world.cameras.is_empty() {
            let last = receiver.slot(0).decoded().last().map(|frame| frame.shown);
            prop_assert!(last.is_some_and(|at| at > calm), "no picture since {last:?}, now {}", world.now);
        }
        let sound = receiver.slot(1).packets.values().last().map(|packet| packet.arrived);
        prop_assert!(sound.is_some_and(|at| at > calm));
    }
}
