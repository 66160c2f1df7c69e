//! How high each item stands: its order in the layer is given, and within it it comes
//! as near to its neighbours as there is room.

use super::{MARGIN, ROW_GAP, Web};

/// Each sweep goes through all layers and back.
const SWEEPS: usize = 3;

/// By item, the middle of its height, in pixels from above.
pub fn of(web: &Web) -> Vec<i32> {
    let half = &web.halves;
    let mut middles = vec![0.0; web.layers.len()];
    for row in &web.rows {
        let mut y = 0;
        for item in row {
            y += half[*item];
            middles[*item] = f64::from(y);
            y += half[*item] + ROW_GAP;
        }
    }
    for _ in 0..SWEEPS {
        for layer in 0..web.rows.len() {
            settle(&web.rows[layer], &web.before, half, &mut middles);
        }
        for layer in (0..web.rows.len()).rev() {
            settle(&web.rows[layer], &web.after, half, &mut middles);
        }
    }
    let mut rounded: Vec<i32> = middles.iter().map(|y| y.round() as i32).collect();
    for row in &web.rows {
        for pair in row.windows(2) {
            let [above, item] = [pair[0], pair[1]];
            let least = rounded[above] + half[above] + ROW_GAP + half[item];
            rounded[item] = rounded[item].max(least);
        }
    }
    let top = rounded.iter().zip(half).map(|(y, half)| y - half).min();
    let down = MARGIN - top.unwrap_or(0);
    rounded.into_iter().map(|y| y + down).collect()
}

/// Puts a layer's items where the sum of the squares of their distances to the middle
/// of their neighbours is least, none nearer to the next than it may be.
///
/// With what must lie between them taken away, that is a regression that may only
/// rise: neighbours that stand the wrong way round are pooled at their mean.
fn settle(row: &[usize], neighbours: &[Vec<usize>], half: &[i32], middles: &mut [f64]) {
    let mut taken = 0.0;
    let mut offsets = Vec::with_capacity(row.len());
    // Sum and number of what was pooled.
    let mut pools: Vec<(f64, usize)> = Vec::new();
    for (n, item) in row.iter().enumerate() {
        if n > 0 {
            taken += f64::from(half[row[n - 1]] + ROW_GAP + half[*item]);
        }
        offsets.push(taken);
        let of = &neighbours[*item];
        let wanted = match of.len() {
            0 => middles[*item],
            n => of.iter().map(|other| middles[*other]).sum::<f64>() / n as f64,
        };
        let mut pool = (wanted - taken, 1);
        while let Some(above) = pools.pop_if(|above| mean(*above) > mean(pool)) {
            pool = (pool.0 + above.0, pool.1 + above.1);
        }
        pools.push(pool);
    }
    let places = pools
        .iter()
        .flat_map(|pool| std::iter::repeat_n(mean(*pool), pool.1));
    for ((item, offset), place) in row.iter().zip(offsets).zip(places) {
        middles[*item] = place + offset;
    }
}

fn mean((sum, number): (f64, usize)) -> f64 {
    sum / number as f64
}
