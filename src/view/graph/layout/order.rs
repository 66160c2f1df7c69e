//! In which order the items of a layer stand, so that edges cross little.
//!
//! Each item is drawn to the middle of its neighbours in the layer before, in the
//! next sweep in the layer after, and so on: the barycentre method of Sugiyama and
//! others. It may make things worse on the way, so the best order is kept.

use super::Web;

/// So many sweeps at most, and fewer in large graphs: all together look at no more
/// than so many items and links.
const MOST_SWEEPS: usize = 12;
const MOST_LOOKS: usize = 3_000_000;

pub fn untangle(web: &mut Web) {
    let links: usize = web.after.iter().map(Vec::len).sum();
    let sweeps = (MOST_LOOKS / (web.layers.len() + links + 1)).clamp(2, MOST_SWEEPS);
    let mut places = places(web);
    let mut best = (crossings(web, &places), web.rows.clone());
    for sweep in 0..sweeps {
        if best.0 == 0 {
            break;
        }
        let mut layers: Vec<usize> = (0..web.rows.len()).collect();
        if sweep % 2 == 1 {
            layers.reverse();
        }
        for layer in layers {
            let neighbours = if sweep % 2 == 0 {
                &web.before
            } else {
                &web.after
            };
            sort(&mut web.rows[layer], neighbours, &mut places);
        }
        let crossings = crossings(web, &places);
        if crossings < best.0 {
            best = (crossings, web.rows.clone());
        }
    }
    web.rows = best.1;
}

/// By item, how many stand above it in its layer.
fn places(web: &Web) -> Vec<usize> {
    let mut places = vec![0; web.layers.len()];
    for row in &web.rows {
        for (place, item) in row.iter().enumerate() {
            places[*item] = place;
        }
    }
    places
}

/// One that has no neighbours stays about where it is.
fn sort(row: &mut [usize], neighbours: &[Vec<usize>], places: &mut [usize]) {
    let middle = |item: usize| {
        let of = &neighbours[item];
        let sum: usize = of.iter().map(|other| places[*other]).sum();
        match of.len() {
            0 => places[item] as f64,
            n => sum as f64 / n as f64,
        }
    };
    let mut keyed: Vec<(f64, usize, usize)> = row
        .iter()
        .map(|item| (middle(*item), places[*item], *item))
        .collect();
    keyed.sort_by(|one, other| one.0.total_cmp(&other.0).then(one.1.cmp(&other.1)));
    for (place, (.., item)) in keyed.into_iter().enumerate() {
        row[place] = item;
        places[item] = place;
    }
}

/// How often links cross: in each layer, pairs that stand the other way round at
/// their far ends, counted with a tree of sums.
fn crossings(web: &Web, places: &[usize]) -> u64 {
    let mut all = 0;
    for (layer, row) in web.rows.iter().enumerate() {
        let beyond = web.rows.get(layer + 1).map_or(0, Vec::len);
        let mut sums = vec![0u64; beyond + 1];
        let mut before = 0;
        for item in row {
            let mut ends: Vec<usize> = web.after[*item].iter().map(|to| places[*to]).collect();
            // Two that leave the same item do not cross: counted first, added then.
            all += ends
                .iter()
                .map(|end| before - up_to(&sums, *end))
                .sum::<u64>();
            before += ends.len() as u64;
            for end in ends.drain(..) {
                add(&mut sums, end);
            }
        }
    }
    all
}

/// How many there are at places up to and with this one.
fn up_to(sums: &[u64], place: usize) -> u64 {
    let (mut at, mut sum) = (place + 1, 0);
    while at > 0 {
        sum += sums[at];
        at &= at - 1;
    }
    sum
}

fn add(sums: &mut [u64], place: usize) {
    let mut at = place + 1;
    while let Some(sum) = sums.get_mut(at) {
        *sum += 1;
        at += at & at.wrapping_neg();
    }
}
