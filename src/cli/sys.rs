//! Room for a large plan, asked of the system in large pages.
//!
//! A plan of 100,000 steps fills sixty megabytes, and to be given them four
//! kilobytes at a time takes as long as to read half the file. So the allocator
//! is told what is coming: it grows its heap once, and the system is asked to
//! back that by pages of two megabytes. Where it does not, nothing is lost.
//!
//! It is the program that does this and not the library: how a process manages
//! its memory is for its owner to say.
//!
//! This file does not know what is read.

/// Files shorter than this are read before it could make a difference.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const LARGE: u64 = 1 << 20;

/// What a plan takes, beside the length of its file.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const TIMES: u64 = 6;

/// Prepares for a file of so many bytes.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn expect(bytes: u64) {
    const PAGE: usize = 2 << 20;
    let room = (bytes.min(1 << 40) * TIMES).next_multiple_of(PAGE as u64);
    let Ok(pad) = libc::c_int::try_from(room) else {
        return;
    };
    if bytes < LARGE {
        return;
    }
    // SAFETY: these only set numbers of the allocator's. `sbrk` of nothing tells
    // where the heap ends, and `madvise` changes nothing that a program can see
    // but how fast its memory is, wherever in the heap or behind it that is.
    unsafe {
        // The largest thresholds that there are: what is large comes from the
        // heap, too, and is kept there for the plan to grow into.
        libc::mallopt(libc::M_MMAP_THRESHOLD, 32 << 20);
        libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
        let from = libc::sbrk(0) as usize;
        libc::mallopt(libc::M_TOP_PAD, pad);
        // More than the heap has left, so that it grows now; and seen by somebody,
        // or the compiler leaves it out.
        drop(std::hint::black_box(Vec::<u8>::with_capacity(1 << 20)));
        libc::mallopt(libc::M_TOP_PAD, 1 << 20);
        let to = libc::sbrk(0) as usize;
        let from = from.next_multiple_of(PAGE);
        if from < to {
            libc::madvise(from as *mut libc::c_void, to - from, libc::MADV_HUGEPAGE);
        }
    }
}

/// Elsewhere the allocator is left alone.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn expect(_: u64) {}
