//! Writing values one after another, and reading them back without trust: a
//! reader answers `None` at the first that cannot be what was written.

use super::Digest;

/// Values in a row.
#[derive(Default)]
pub(super) struct Writer(pub Vec<u8>);

impl Writer {
    pub fn byte(&mut self, value: u8) {
        self.0.push(value);
    }

    pub fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub fn digest(&mut self, value: &Digest) {
        self.0.extend_from_slice(value);
    }

    /// A length, and so many bytes.
    pub fn bytes(&mut self, value: &[u8]) {
        self.u32(u32::try_from(value.len()).unwrap_or(u32::MAX));
        self.0.extend_from_slice(value);
    }
}

/// What is left to read.
pub(super) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, many: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(many)?;
        self.0 = rest;
        Some(taken)
    }

    pub fn byte(&mut self) -> Option<u8> {
        Some(self.take(1)?[0])
    }

    pub fn u32(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.take(4)?.try_into().ok()?))
    }

    pub fn u64(&mut self) -> Option<u64> {
        Some(u64::from_le_bytes(self.take(8)?.try_into().ok()?))
    }

    pub fn digest(&mut self) -> Option<Digest> {
        self.take(32)?.try_into().ok()
    }

    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let many = self.u32()?;
        self.take(many as usize)
    }

    pub fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    /// A number of things to follow, each of at least so many bytes: a number
    /// that promises more than there is makes nobody reserve memory for it.
    pub fn count(&mut self, least: usize) -> Option<usize> {
        let many = self.u32()? as usize;
        (many.checked_mul(least)? <= self.0.len()).then_some(many)
    }

    /// Whether all was read.
    pub fn is_done(&self) -> bool {
        self.0.is_empty()
    }
}
