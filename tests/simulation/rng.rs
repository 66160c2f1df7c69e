//! Chance that is the same on every machine, and none at all for scripts.

/// Small and fast.
#[derive(Clone)]
pub struct Rng(Option<u64>);

impl Rng {
    pub fn new(seed: u64) -> Self {
        Rng(Some(
            seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0x1234_5678_9abc_def1,
        ))
    }

    /// Never does anything but the least.
    pub fn still() -> Self {
        Rng(None)
    }

    pub fn number(&mut self) -> u64 {
        let Some(state) = &mut self.0 else {
            return 0;
        };
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.number() % n
    }

    /// True `percent` times of a hundred.
    pub fn chance(&mut self, percent: u64) -> bool {
        self.per_mille(10 * percent)
    }

    /// True so many times of a thousand.
    pub fn per_mille(&mut self, times: u64) -> bool {
        self.0.is_some() && self.below(1000) < times
    }
}
