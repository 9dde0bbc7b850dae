//! Which publication a slot is to show.
//!
//! Owns the order of `auto` slots and that they do not reshuffle: what stays among the chosen stays in its
//! slot. Pure. Leaves encodings to `select`.

use crate::PublicationId;
use crate::input::Want;

/// A slot as far as this question goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) want: Want,
    pub(crate) shows: Option<PublicationId>,
}

/// What each slot is to show. `candidates` are the publications that may fill `auto` slots, best first;
/// `exists` tells whether an explicit wish can be granted.
pub(crate) fn assign(
    slots: &[Place],
    candidates: &[PublicationId],
    exists: impl Fn(PublicationId) -> bool,
) -> Vec<Option<PublicationId>> {
    let explicit = |place: &Place| match place.want {
        Want::Publication(id) => Some(id),
        Want::Auto | Want::Nothing => None,
    };
    let taken: Vec<PublicationId> = slots.iter().filter_map(explicit).collect();
    let autos = slots.iter().filter(|place| place.want == Want::Auto).count();
    let chosen: Vec<PublicationId> =
        candidates.iter().copied().filter(|id| !taken.contains(id)).take(autos).collect();
    let stays = |place: &Place| place.shows.filter(|id| place.want == Want::Auto && chosen.contains(id));

    // Two slots may show the same publication by wish, but not by our choice.
    let mut kept: Vec<PublicationId> = Vec::with_capacity(autos);
    let mut shown: Vec<Option<PublicationId>> = slots
        .iter()
        .map(|place| match explicit(place) {
            Some(id) => exists(id).then_some(id),
            None => stays(place).filter(|id| !kept.contains(id)).inspect(|id| kept.push(*id)),
        })
        .collect();
    let mut free = chosen.into_iter().filter(|id| !kept.contains(id));
    for (shows, place) in shown.iter_mut().zip(slots) {
        if shows.is_none() && place.want == Want::Auto {
            *shows = free.next();
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fills_auto_slots_and_keeps_what_stays() {
        use Want::{Auto, Nothing, Publication};
        let id = PublicationId;
        type Case<'a> = (&'a [(Want, Option<u32>)], &'a [u32], &'a [Option<u32>], &'a str);
        let cases: [Case<'_>; 7] = [
            (&[(Auto, None), (Auto, None)], &[7, 8, 9], &[Some(7), Some(8)], "best first"),
            (&[(Auto, None), (Auto, None)], &[7], &[Some(7), None], "nothing left"),
            (
                &[(Auto, Some(9)), (Auto, Some(8))],
                &[7, 8, 9],
                &[Some(7), Some(8)],
                "who stays among the chosen stays in place",
            ),
            (
                &[(Publication(id(7)), None), (Auto, None)],
                &[7, 8],
                &[Some(7), Some(8)],
                "what is shown by wish is not shown again",
            ),
            (&[(Publication(id(99)), None), (Auto, None)], &[7], &[None, Some(7)], "a wish for nobody"),
            (&[(Nothing, Some(7)), (Auto, None)], &[7], &[None, Some(7)], "nothing is nothing"),
            (
                &[(Publication(id(7)), None), (Publication(id(7)), None)],
                &[7],
                &[Some(7), Some(7)],
                "twice by wish",
            ),
        ];
        for (slots, candidates, expected, why) in cases {
            let places: Vec<Place> =
                slots.iter().map(|(want, shows)| Place { want: *want, shows: shows.map(id) }).collect();
            let candidates: Vec<PublicationId> = candidates.iter().copied().map(id).collect();
            let shown = assign(&places, &candidates, |wanted| wanted.0 < 50);
            assert_eq!(shown, expected.iter().map(|n| n.map(id)).collect::<Vec<_>>(), "{why}");
        }
    }

    proptest! {
        #[test]
        fn the_best_are_shown_once_and_a_second_look_changes_nothing(
            shows in proptest::collection::vec(proptest::option::of(0u32..12), 0..8),
            candidates in proptest::sample::subsequence((0u32..12).collect::<Vec<_>>(), 0..12).prop_shuffle(),
        ) {
            let candidates: Vec<PublicationId> = candidates.into_iter().map(PublicationId).collect();
            let places = |shows: &[Option<PublicationId>]| -> Vec<Place> {
                shows.iter().map(|shows| Place { want: Want::Auto, shows: *shows }).collect()
            };
            let before: Vec<_> = shows.iter().map(|n| n.map(PublicationId)).collect();
            let first = assign(&places(&before), &candidates, |_| true);
            let mut shown: Vec<_> = first.iter().flatten().copied().collect();
            shown.sort();
            let mut best: Vec<_> = candidates.iter().copied().take(shows.len()).collect();
            best.sort();
            prop_assert_eq!(shown, best);
            prop_assert_eq!(assign(&places(&first), &candidates, |_| true), first);
        }
    }
}
