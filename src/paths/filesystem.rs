//! What the state directory's file system promises, as far as that matters:
//! whether a reboot leaves anything of it, and whether its locks and its shared
//! memory hold between machines.
//!
//! The system tells a file system by a number. Those that are known to promise
//! less are listed; whatever is not is taken to be an ordinary disk. FUSE may be
//! anything, and is let pass.

use std::io;
use std::path::Path;

/// The environment variable that allows a state directory on a network file
/// system, with the value `allow`.
pub const ALLOW: &str = "QUINTET_NETWORK_STATE";

/// What a file system promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keeps {
    /// What was forced to it is there after a power cut.
    Durably,
    /// It lives in memory: a reboot takes all of it.
    UntilReboot(&'static str),
    /// Other machines write to it. The store's index is memory that they do not
    /// share, and locks may be kept on one machine only.
    Elsewhere(&'static str),
}

/// File systems by the numbers that `statfs` has for them.
const KNOWN: &[(u32, Keeps)] = &[
    (0x0102_1994, Keeps::UntilReboot("tmpfs")),
    (0x8584_58f6, Keeps::UntilReboot("ramfs")),
    (0x0000_6969, Keeps::Elsewhere("NFS")),
    (0x0102_1997, Keeps::Elsewhere("9p")),
    (0xff53_4d42, Keeps::Elsewhere("CIFS")),
    (0xfe53_4d42, Keeps::Elsewhere("SMB")),
    (0x0000_517b, Keeps::Elsewhere("SMB")),
    (0x00c3_6400, Keeps::Elsewhere("Ceph")),
    (0x5346_414f, Keeps::Elsewhere("AFS")),
    (0x6b41_4653, Keeps::Elsewhere("AFS")),
    (0x0bd0_0bd0, Keeps::Elsewhere("Lustre")),
    (0x4750_4653, Keeps::Elsewhere("GPFS")),
    (0x1983_0326, Keeps::Elsewhere("BeeGFS")),
    (0x7375_7245, Keeps::Elsewhere("Coda")),
    (
        0x786f_4256,
        Keeps::Elsewhere("a shared folder of VirtualBox"),
    ),
    (0xbacb_acbc, Keeps::Elsewhere("a shared folder of VMware")),
];

/// What the file system promises that has this number.
pub fn classify(magic: u32) -> Keeps {
    let found = KNOWN.iter().find(|(known, _)| *known == magic);
    found.map_or(Keeps::Durably, |(_, keeps)| *keeps)
}

/// What the file system promises that this path is on.
///
/// # Errors
/// The path is not there, or cannot be looked at.
pub fn of(path: &Path) -> io::Result<Keeps> {
    // The number has 32 bits; how wide its type is differs between systems.
    Ok(classify(
        nix::sys::statfs::statfs(path)?.filesystem_type().0 as u32,
    ))
}

/// Why a state directory must not be there, if it must not, and what to do.
/// `allowed` is what the environment says in [`ALLOW`].
pub fn objection(keeps: Keeps, allowed: Option<&str>) -> Option<(String, String)> {
    match keeps {
        Keeps::Elsewhere(name) if allowed != Some("allow") => Some((
            format!(
                "is on a network file system ({name}), where one engine cannot be kept from another"
            ),
            format!("choose a local one with --state-dir, or set {ALLOW}=allow"),
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// XD07.
    #[test]
    fn xd07_file_systems_of_a_network_are_told_from_memory_and_from_disks() {
        for (magic, name) in [
            (libc::NFS_SUPER_MAGIC, "NFS"),
            (0x0102_1997, "9p"),
            (libc::SMB_SUPER_MAGIC, "SMB"),
            (0xff53_4d42, "CIFS"),
        ] {
            assert_eq!(classify(magic as u32), Keeps::Elsewhere(name));
        }
        let tmpfs = classify(libc::TMPFS_MAGIC as u32);
        assert_eq!(tmpfs, Keeps::UntilReboot("tmpfs"));
        for disk in [
            libc::EXT4_SUPER_MAGIC,
            libc::XFS_SUPER_MAGIC,
            libc::BTRFS_SUPER_MAGIC,
            libc::OVERLAYFS_SUPER_MAGIC,
        ] {
            assert_eq!(classify(disk as u32), Keeps::Durably);
        }
        assert_eq!(of(Path::new("/proc")).unwrap(), Keeps::Durably);
        assert!(of(Path::new("/no/such/path")).is_err());
    }

    /// XD07.
    #[test]
    fn xd07_a_network_is_refused_unless_somebody_insists() {
        let nfs = Keeps::Elsewhere("NFS");
        let (why, fix) = objection(nfs, None).expect("it is refused");
        assert!(why.contains("network file system (NFS)"), "{why}");
        assert!(fix.contains("QUINTET_NETWORK_STATE=allow"), "{fix}");
        assert!(objection(nfs, Some("")).is_some());
        assert_eq!(objection(nfs, Some("allow")), None);
        assert_eq!(objection(Keeps::UntilReboot("tmpfs"), None), None);
        assert_eq!(objection(Keeps::Durably, None), None);
    }
}
