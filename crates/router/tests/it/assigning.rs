//! Which publication is in which slot.

use packet::{Codec, MediaKind};
use router::{Config, ParticipantId, PublicationId, RoomEvent, Source, Want};

use crate::source::{Camera, Microphone};
use crate::world::{World, generous, mid, slots};

fn shown(world: &World, id: ParticipantId) -> Vec<Option<u32>> {
    let slots = world.room.slots(id);
    slots.iter().map(|slot| slot.participant.map(|participant| participant.0)).collect()
}

#[test]
fn screens_come_first_then_speakers_then_who_came_first() {
    let mut world = World::new();
    for id in 1..=4 {
        world.camera(Camera::new(id, Codec::Vp8));
    }
    let viewer = world.receiver(50, generous(), 3, 0);
    assert_eq!(shown(&world, viewer), [Some(1), Some(2), Some(3)], "who came first");

    world.act(|room, now, out| {
        room.set_publication(now, ParticipantId(4), mid("cam"), false, Source::Screen, out);
    });
    assert_eq!(shown(&world, viewer), [Some(1), Some(2), Some(4)], "a screen takes the place of the last");

    // Participant 3 speaks, through a microphone of its own.
    let sections = [
        crate::world::section(&world.cameras[2]),
        router::SendingSection {
            mid: mid("mic"),
            kind: MediaKind::Audio,
            active: true,
            codec: Codec::Opus,
            rids: Vec::new(),
        },
    ];
    world.act(|room, now, out| room.set_sections(now, ParticipantId(3), &sections, &[], out));
    world.microphones.push(Microphone::new(3, 30));
    world.run(1_000);
    assert_eq!(
        shown(&world, viewer),
        [Some(1), Some(3), Some(4)],
        "a speaker takes the place of the last, too"
    );
    assert!(world.events.iter().any(|(_, event)| matches!(
        event,
        RoomEvent::Speakers(list) if list.first().map(|s| s.participant) == Some(ParticipantId(3))
    )));

    world.act(|room, now, out| {
        room.set_publication(now, ParticipantId(1), mid("cam"), true, Source::Camera, out);
    });
    assert_eq!(shown(&world, viewer), [Some(2), Some(3), Some(4)], "who is muted goes last");
    world.act(|room, now, out| room.remove_participant(now, ParticipantId(4), out));
    assert_eq!(shown(&world, viewer), [Some(2), Some(3), Some(1)], "who leaves makes room");
}

#[test]
fn whoever_is_not_heard_of_gives_its_slot_to_somebody_alive_and_has_it_back() {
    let mut world = World::new();
    for id in 1..=3 {
        world.camera(Camera::new(id, Codec::Vp8));
    }
    let viewer = world.receiver(50, generous(), 2, 0);
    world.run(1_000);
    let gone = world.cameras.remove(0);
    world.run(1_500);
    assert_eq!(shown(&world, viewer), [Some(1), Some(2)], "a moment is none");
    world.run(1_500);
    assert_eq!(shown(&world, viewer), [Some(3), Some(2)], "its page may be gone");
    world.cameras.insert(0, gone);
    world.run(500);
    assert_eq!(shown(&world, viewer), [Some(1), Some(2)], "it is back");
    world.cameras.clear();
    world.run(5_000);
    assert_eq!(shown(&world, viewer), [Some(1), Some(2)], "where nobody is heard of nothing is better");
}

#[test]
fn wishes_hold_and_nobody_sees_himself() {
    let mut world = World::new();
    let mut ids = Vec::new();
    for id in 1..=3 {
        ids.push(world.camera(Camera::new(id, Codec::Vp8)));
    }
    let me = ParticipantId(1);
    let agreed = crate::world::section(&world.cameras[0]);
    world.act(|room, now, out| room.set_sections(now, me, &[agreed], &slots(3, 0), out));
    assert_eq!(shown(&world, me), [Some(2), Some(3), None], "not oneself");
    world.view(me, &[(Want::Auto, 180), (Want::Publication(ids[1]), 180), (Want::Publication(ids[0]), 180)]);
    assert_eq!(shown(&world, me), [Some(3), Some(2), None], "not even by wish");
    world.view(me, &[(Want::Nothing, 180), (Want::Publication(PublicationId(77)), 180)]);
    assert_eq!(shown(&world, me), [None, None, None], "nothing, nobody, and not listed");
}

#[test]
fn a_wish_for_somebody_who_left_and_came_back_is_for_the_publication() {
    let mut world = World::new();
    let wanted = world.camera(Camera::new(1, Codec::Vp8));
    world.camera(Camera::new(2, Codec::Vp8));
    let viewer = world.receiver(50, generous(), 1, 0);
    world.view(viewer, &[(Want::Publication(wanted), 180)]);
    world.run(1_000);
    assert_eq!(shown(&world, viewer), [Some(1)]);
    world.act(|room, now, out| room.remove_participant(now, ParticipantId(1), out));
    assert_eq!(shown(&world, viewer), [None], "the slot is empty, not given away");
    assert!(world.events.iter().any(|(_, event)| matches!(
        event,
        RoomEvent::PublicationRemoved { publication, .. } if *publication == wanted
    )));
}

#[test]
fn more_slots_by_a_new_offer_leave_the_old_ones_alone() {
    let mut world = World::new();
    for id in 1..=3 {
        world.camera(Camera::new(id, Codec::Vp8));
    }
    let viewer = world.receiver(50, generous(), 1, 0);
    world.run(2_000);
    for count in [3, 1, 2] {
        world.act(|room, now, out| room.set_sections(now, viewer, &[], &slots(count, 0), out));
        world.run(1_000);
    }
    let receiver = &world.receivers[&viewer];
    assert_eq!(receiver.slot(0).missing(), []);
    assert!(receiver.slot(0).longest_pause().as_millis() <= 67, "never interrupted");
    assert_eq!(shown(&world, viewer), [Some(1), Some(2)]);
    assert!(receiver.slot(2).decoded().len() > 20, "the third played while it was there");
}

#[test]
fn a_codec_that_a_slot_does_not_take_is_not_mapped_to_it() {
    let mut world = World::new();
    world.camera(Camera::new(1, Codec::H264));
    world.camera(Camera::new(2, Codec::Vp8));
    let viewer = world.join(50, generous());
    let mut sections = slots(1, 0);
    sections[0].codecs.retain(|codec| codec.codec == Codec::Vp8);
    world.act(|room, now, out| room.set_sections(now, viewer, &[], &sections, out));
    assert_eq!(shown(&world, viewer), [Some(2)]);
}

#[test]
fn sections_beyond_the_limits_are_ignored() {
    let mut world = World::with(Config { max_publications: 2, max_slots: 3, ..Config::default() }, 1);
    let id = world.join(1, generous());
    let sending: Vec<_> = (0..9)
        .map(|n| router::SendingSection {
            mid: mid(&format!("m{n}")),
            kind: MediaKind::Video,
            active: true,
            codec: Codec::Vp8,
            rids: (0..9).map(|n| packet::Rid::parse(&format!("r{n}")).unwrap()).collect(),
        })
        .collect();
    world.act(|room, now, out| room.set_sections(now, id, &sending, &slots(9, 9), out));
    assert_eq!(world.room.publications().len(), 2);
    assert_eq!(world.room.slots(id).len(), 3);
}

#[test]
fn strangers_and_unknown_sections_do_nothing() {
    let mut world = World::new();
    let stranger = ParticipantId(9);
    let mut camera = Camera::new(1, Codec::Vp8);
    let (_, packet) = camera.capture(world.now).remove(0);
    world.act(|room, now, out| {
        room.handle_rtp(now, stranger, packet, out);
        room.set_view(now, stranger, &[], out);
        room.set_connected(now, stranger, true, out);
        room.set_sections(now, stranger, &[], &slots(1, 1), out);
        room.remove_participant(now, stranger, out);
        room.handle_timeout(now, out);
        assert!(out.is_empty());
    });
    assert!(world.room.is_empty() && world.room.slots(stranger).is_empty());
    assert_eq!(world.room.downlink(stranger), None);
}

/// A phone with four slots in a room of fifty: the pin holds, the others follow whoever holds the floor, nothing flickers.
#[test]
fn four_slots_follow_a_room_of_fifty_without_flicker() {
    let mut world = World::new();
    let mut pinned = None;
    for id in 1..=50 {
        let mut camera = Camera::new(id, Codec::Vp8);
        camera.layers.truncate(1);
        let picture = crate::world::section(&camera);
        let publication = world.camera(camera);
        pinned = Some(publication);
        let sound = router::SendingSection {
            mid: mid("mic"),
            kind: MediaKind::Audio,
            codec: Codec::Opus,
            rids: Vec::new(),
            ..picture.clone()
        };
        world.act(|room, now, out| room.set_sections(now, ParticipantId(id), &[picture, sound], &[], out));
        world.microphones.push(Microphone::new(id, 100));
    }
    let phone = world.receiver(100, crate::world::device(selector::DeviceClass::Mobile), 4, 1);
    let pin = (Want::Publication(pinned.unwrap()), 360);
    world.view(phone, &[pin, (Want::Auto, 180), (Want::Auto, 180), (Want::Auto, 180)]);
    world.run(1_000);
    let pictures = |world: &World| shown(world, phone)[..4].to_vec();
    let speak = |world: &mut World, speaking: &[u32], ms: u64| {
        for microphone in &mut world.microphones {
            microphone.dbov = Some(if speaking.contains(&microphone.id) { 35 } else { 100 });
        }
        let mut seen = Vec::new();
        for _ in 0..ms.div_ceil(100) {
            world.run(ms.min(100));
            seen.push(pictures(world));
        }
        seen.dedup();
        seen
    };
    // Who speaks for how long, how often slots may change meanwhile, what they show then, and why.
    type Scene<'a> = (&'a [u32], u64, usize, [u32; 4], &'a str);
    let scenes: [Scene<'_>; 7] = [
        (&[], 1_000, 0, [50, 2, 3, 1], "who came first"),
        (&[30], 2_000, 1, [50, 2, 30, 1], "whoever speaks takes the place of the last"),
        (&[], 300, 0, [50, 2, 30, 1], "a pause for breath"),
        (&[45], 40, 0, [50, 2, 30, 1], "a cough in it"),
        (&[30], 2_000, 0, [50, 2, 30, 1], "and on"),
        (&[40], 3_000, 1, [50, 40, 30, 1], "an answer; who spoke before stays where it is"),
        (&[50], 3_000, 0, [50, 40, 30, 1], "whoever is pinned has a place"),
    ];
    for (speaking, ms, most, expected, why) in scenes {
        let before = pictures(&world);
        let mut seen = vec![before];
        seen.extend(speak(&mut world, speaking, ms));
        seen.dedup();
        assert!(seen.len() - 1 <= most, "{why}: {seen:?}");
        assert_eq!(pictures(&world), expected.map(Some), "{why}");
    }
    let mut seen = vec![pictures(&world)];
    for turn in 0..8 {
        seen.extend(speak(&mut world, &[if turn % 2 == 0 { 30 } else { 40 }], 1_500));
    }
    seen.dedup();
    assert_eq!(seen.len(), 1, "two who take turns are both there: {seen:?}");
}
