//! Descriptors written by hand after appendix A, read, and written anew.

use super::*;
use proptest::prelude::*;

/// Fields with their widths.
fn bytes(fields: &[(u32, usize)]) -> Vec<u8> {
    let mut bits = BitWriter::<64>::new();
    fields.iter().for_each(|(value, count)| bits.bits(*value, *count));
    bits.finish().to_vec()
}

/// One spatial and two temporal layers with one chain, as browsers send it (L1T2), with ids from `offset` on.
fn one_by_two(offset: u32) -> Vec<(u32, usize)> {
    vec![
        (offset, 6),
        (1, 5),
        // Layers of the templates: a keyframe, the base layer, the upper one.
        (0, 2),
        (1, 2),
        (3, 2),
        // Indications: switch, switch; switch, switch; not present, discardable.
        (0b1010, 4),
        (0b1010, 4),
        (0b0001, 4),
        // Differences: none; two back; one back.
        (0, 1),
        (0b10_0010, 6),
        (0b10_0000, 6),
        // One chain that protects both targets.
        (0b10, 2),
        (0, 4),
        (2, 4),
        (1, 4),
        // 640x360.
        (1, 1),
        (639, 16),
        (359, 16),
    ]
}

/// Two spatial layers of one temporal layer each, the upper one referring to the lower only in keyframes (L2T1_KEY).
fn two_spatial() -> Vec<(u32, usize)> {
    vec![
        (0, 6),
        (1, 5),
        (0, 2),
        (2, 2),
        (0, 2),
        (3, 2),
        // Lower keyframe, lower delta, upper keyframe, upper delta.
        (0b1010, 4),
        (0b1000, 4),
        (0b0010, 4),
        (0b0010, 4),
        (0, 1),
        (0b10_0010, 6),
        (0b10_0000, 6),
        (0b10_0010, 6),
        // No chains; sizes of both layers.
        (0, 1),
        (1, 1),
        (319, 16),
        (179, 16),
        (639, 16),
        (359, 16),
    ]
}

fn keyframe(offset: u32, number: u32) -> Vec<u8> {
    let mut fields = vec![(0b10, 2), (offset, 6), (number, 16), (0b1_0000, 5)];
    fields.extend(one_by_two(offset));
    bytes(&fields)
}

fn structure(offset: u32) -> Structure {
    DependencyDescriptor::parse(&keyframe(offset, 0), None).unwrap().structure.unwrap()
}

#[test]
fn a_keyframe_carries_the_structure_of_all_that_follows() {
    let parsed = DependencyDescriptor::parse(&keyframe(61, 500), None).unwrap();
    assert_eq!((parsed.start, parsed.end, parsed.frame_number), (true, false, 500));
    assert_eq!((parsed.spatial, parsed.temporal, parsed.furthest), (0, 0, 0));
    assert_eq!(parsed.active, Some(0b11), "a new structure activates everything");
    let structure = parsed.structure.clone().unwrap();
    assert_eq!((structure.offset(), structure.templates(), structure.targets()), (61, 3, 2));
    assert_eq!(structure.layers().collect::<Vec<_>>(), [(0, 0), (0, 1)]);
    assert_eq!(structure.sizes(), [(640, 360)]);
    assert_eq!((structure.targets_within(0, 0), structure.targets_within(3, 7)), (0b01, 0b11));

    // Template ids wrap: 61, 62, 63 are the three, here; 61 + 2.
    let upper = DependencyDescriptor::parse(&[0xc0 | 63, 1, 0xf5], Some(&structure)).unwrap();
    assert_eq!((upper.temporal, upper.furthest, upper.frame_number), (1, 1, 0x1f5));
    assert_eq!(upper.indications.of(0), Indication::NotPresent);
    assert_eq!(upper.indications.of(1), Indication::Discardable);
    assert_eq!(
        upper.switching_point(&structure),
        None,
        "nothing can be taken up with a frame that may be missing"
    );
    let base = DependencyDescriptor::parse(&[0x80 | 62, 1, 0xf6], Some(&structure)).unwrap();
    assert_eq!(base.switching_point(&structure), Some(1), "with the base layer all can");
}

#[test]
fn spatial_layers_have_sizes_and_targets_of_their_own() {
    let mut fields = vec![(0b11, 2), (0, 6), (9, 16), (0b1_1000, 5)];
    fields.extend(two_spatial());
    fields.push((0b01, 2));
    let parsed = DependencyDescriptor::parse(&bytes(&fields), None).unwrap();
    assert_eq!(parsed.active, Some(0b01), "the sender says which targets it sends");
    let structure = parsed.structure.unwrap();
    assert_eq!(structure.sizes(), [(320, 180), (640, 360)]);
    assert_eq!(structure.layers().collect::<Vec<_>>(), [(0, 0), (1, 0)]);
    assert_eq!(structure.targets_within(0, 7), 0b01);
    let upper = DependencyDescriptor::parse(&[0xc0 | 2, 0, 10], Some(&structure)).unwrap();
    assert_eq!((upper.spatial, upper.furthest, upper.switching_point(&structure)), (1, 1, Some(0)));
}

#[test]
fn a_frame_may_differ_from_its_template() {
    let structure = structure(0);
    // Own indications, differences (8 bits: 20; then the end) and chains.
    let fields = [(0b10, 2), (2, 6), (7, 16), (0b0_0111, 5), (0b0010, 4), (2, 2), (19, 8), (0, 2), (44, 8)];
    let parsed = DependencyDescriptor::parse(&bytes(&fields), Some(&structure)).unwrap();
    assert_eq!(parsed.indications.of(1), Indication::Switch);
    assert_eq!((parsed.furthest, parsed.temporal), (20, 1));
    assert_eq!(
        parsed.switching_point(&structure),
        Some(1),
        "the upper layer can be taken up with its own frame"
    );
}

#[test]
fn what_contradicts_itself_is_malformed() {
    use DependencyError::{Malformed, TooShort, UnknownStructure};
    let known = structure(0);
    let endless_layers: Vec<(u32, usize)> =
        [(0b10, 2), (0, 6), (0, 16), (0b1_0000, 5), (0, 6), (0, 5)].into_iter().chain([(1, 2); 9]).collect();
    let many_differences: Vec<(u32, usize)> =
        [(0b10, 2), (0, 6), (0, 16), (0b0_0010, 5)].into_iter().chain([(0b01_0000, 6); 20]).collect();
    let mut foreign_template = keyframe(0, 0);
    foreign_template[0] |= 3;
    let cases: [(Vec<u8>, Option<&Structure>, DependencyError, &str); 8] = [
        (vec![0x80, 0], Some(&known), TooShort, "less than there always is"),
        (vec![0x80, 0, 1], None, UnknownStructure, "no keyframe seen"),
        (vec![0x83, 0, 1], Some(&known), UnknownStructure, "a template of another structure"),
        (foreign_template, Some(&known), Malformed, "a template that its own structure does not have"),
        (vec![0x80, 0, 1, 0x80, 0], None, TooShort, "half a structure"),
        (bytes(&endless_layers), None, Malformed, "more layers than there can be"),
        (bytes(&many_differences), Some(&known), Malformed, "more references than there can be"),
        (vec![0x80, 0, 1, 0x20], Some(&known), TooShort, "announced indications are missing"),
    ];
    for (bytes, known, expected, why) in cases {
        assert_eq!(DependencyDescriptor::parse(&bytes, known), Err(expected), "{why}");
    }
}

#[test]
fn a_rewritten_descriptor_means_the_same_under_other_numbers() {
    let source = keyframe(61, 500);
    let parsed = DependencyDescriptor::parse(&source, None).unwrap();
    let edit = Edit { frame_number: 0xfffe, template_shift: 10, active: Some(0b01) };
    let written = parsed.rewrite(&source, &edit);
    let again = DependencyDescriptor::parse(&written, None).unwrap();
    assert_eq!((again.frame_number, again.active, again.start, again.end), (0xfffe, Some(0b01), true, false));
    let structure = again.structure.unwrap();
    assert_eq!(structure.offset(), (61 + 10) & 0x3f);
    assert_eq!(structure.sizes(), [(640, 360)]);

    let old = parsed.structure.unwrap();
    for (bytes, active, length, why) in [
        (vec![0x80 | 63, 0, 3], None, 3, "nothing to say costs nothing"),
        (vec![0x80 | 63, 0, 3], Some(0b01), 4, "a mask is added"),
        (
            bytes(&[(0b10, 2), (62, 6), (3, 16), (0b0_1100, 5), (0b11, 2), (0b0010, 4)]),
            None,
            5,
            "or taken away",
        ),
        (
            bytes(&[(0b10, 2), (62, 6), (3, 16), (0b0_1011, 5), (0b10, 2), (0b0100_1100, 8), (77, 8)]),
            Some(0b01),
            6,
            "or replaced",
        ),
    ] {
        let parsed = DependencyDescriptor::parse(&bytes, Some(&old)).unwrap();
        let written = parsed.rewrite(&bytes, &Edit { frame_number: 9, template_shift: 10, active });
        assert_eq!(written.len(), length, "{why}");
        let again = DependencyDescriptor::parse(&written, Some(&structure)).unwrap();
        let layout = again.layout;
        assert_eq!(again, DependencyDescriptor { frame_number: 9, active, layout, ..parsed }, "{why}");
    }
}

proptest! {
    /// Without its structure a descriptor is renumbered, and reads the same to who has it.
    #[test]
    fn what_cannot_be_read_yet_is_renumbered_whole(tail in proptest::collection::vec(any::<u8>(), 0..20), id in 0u8..3, shift in 0u8..64) {
        let bytes = [&[0x40 | id, 1, 2][..], &tail].concat();
        let fields = MandatoryFields::parse(&bytes).unwrap();
        prop_assert_eq!((fields.start, fields.end, fields.frame_number), (false, true, 0x102));
        let written = fields.rewrite(&bytes, 0xabcd, shift);
        prop_assert_eq!(&written[3..], &bytes[3..]);
        let (known, mut shifted) = (structure(0), structure(0));
        shifted.set_offset(shift);
        let Ok(parsed) = DependencyDescriptor::parse(&bytes, Some(&known)) else { return Ok(()) };
        if parsed.structure.is_none() {
            let again = DependencyDescriptor::parse(&written, Some(&shifted)).unwrap();
            let layout = again.layout;
            prop_assert_eq!(again, DependencyDescriptor { frame_number: 0xabcd, layout, ..parsed });
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(tail in proptest::collection::vec(any::<u8>(), 0..80), with_structure: bool) {
        let known = structure(5);
        let head: &[u8] = if with_structure { &[0x80, 0, 1, 0x80] } else { &[] };
        let bytes = [head, &tail].concat();
        for known in [None, Some(&known)] {
            if let Ok(parsed) = DependencyDescriptor::parse(&bytes, known) {
                let written = parsed.rewrite(&bytes, &Edit { frame_number: 1, template_shift: 3, active: Some(1) });
                prop_assert!(written.len() <= bytes.len() + 5);
            }
        }
    }

    /// Whatever else a descriptor says, it says it after rewriting, too.
    #[test]
    fn rewriting_keeps_the_meaning(tail in proptest::collection::vec(any::<u8>(), 0..20), id in 0u8..3, shift in 0u8..64) {
        let known = structure(0);
        let bytes = [&[0x80 | id, 1, 2][..], &tail].concat();
        let Ok(parsed) = DependencyDescriptor::parse(&bytes, Some(&known)) else { return Ok(()) };
        let edit = Edit { frame_number: 77, template_shift: shift, active: parsed.active };
        let written = parsed.rewrite(&bytes, &edit);
        let mut shifted = known.clone();
        shifted.set_offset(shift);
        let again = DependencyDescriptor::parse(&written, Some(&shifted)).unwrap();
        let offset = |structure: &Structure| structure.offset().wrapping_add(shift) & 0x3f;
        prop_assert_eq!(again.structure.as_ref().map(Structure::offset), parsed.structure.as_ref().map(offset));
        let (layout, structure) = (again.layout, again.structure.clone());
        prop_assert_eq!(again, DependencyDescriptor { frame_number: 77, layout, structure, ..parsed });
    }
}
