//! Where the configuration of jobs is, and where the tool kept its records whose
//! configuration it was first.

use std::ffi::OsString;
use std::path::PathBuf;

use super::System;

/// What that tool is called, in paths.
const OLDER: &str = "orchastration";

/// Where the configuration may be; the first that is there counts: quintet's own,
/// then the older tool's. On Unix they are in `$XDG_CONFIG_HOME`, else in
/// `~/.config`; on Windows in `%AppData%`. Empty where nothing says so.
pub fn config_files(system: System, env: impl Fn(&str) -> Option<OsString>) -> Vec<PathBuf> {
    let home = match system {
        System::Unix => xdg(&env, "XDG_CONFIG_HOME", ".config"),
        System::Windows => set(&env, "AppData"),
    };
    let names = ["quintet", OLDER];
    home.map_or_else(Vec::new, |home| {
        names.map(|name| home.join(name).join("config.toml")).into()
    })
}

/// Where the older tool kept its records: `$XDG_CACHE_HOME/orchastration/state`,
/// else below `~/.cache`; on Windows below `%LocalAppData%`.
pub fn older_state(system: System, env: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let cache = match system {
        System::Unix => xdg(&env, "XDG_CACHE_HOME", ".cache"),
        System::Windows => set(&env, "LocalAppData"),
    };
    Some(cache?.join(OLDER).join("state"))
}

fn set(env: &impl Fn(&str) -> Option<OsString>, name: &str) -> Option<PathBuf> {
    env(name).filter(|v| !v.is_empty()).map(PathBuf::from)
}

/// As its specification asks, a path that is not absolute counts as unset.
fn xdg(env: &impl Fn(&str) -> Option<OsString>, name: &str, in_home: &str) -> Option<PathBuf> {
    set(env, name)
        .filter(|dir| dir.is_absolute())
        .or_else(|| Some(set(env, "HOME")?.join(in_home)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// O2, O35.
    #[test]
    fn o2_configuration_and_older_records_are_where_each_system_keeps_them() {
        let env = |vars: &'static [(&str, &str)]| {
            move |name: &str| {
                let found = vars.iter().find(|(known, _)| *known == name);
                found.map(|(_, value)| OsString::from(value))
            }
        };
        let xdg = env(&[
            ("XDG_CONFIG_HOME", "/c"),
            ("XDG_CACHE_HOME", "/k"),
            ("HOME", "/h"),
        ]);
        let both = ["/c/quintet/config.toml", "/c/orchastration/config.toml"];
        assert_eq!(config_files(System::Unix, xdg), both.map(PathBuf::from));
        let older = older_state(System::Unix, xdg);
        assert_eq!(older, Some("/k/orchastration/state".into()));
        let home = env(&[("XDG_CONFIG_HOME", "relative"), ("HOME", "/h")]);
        assert_eq!(
            config_files(System::Unix, home)[0],
            PathBuf::from("/h/.config/quintet/config.toml")
        );
        let older = older_state(System::Unix, home);
        assert_eq!(older, Some("/h/.cache/orchastration/state".into()));
        let windows = env(&[("AppData", "/a"), ("LocalAppData", "/l")]);
        let own = PathBuf::from("/a/quintet/config.toml");
        assert_eq!(config_files(System::Windows, windows)[0], own);
        assert!(config_files(System::Unix, env(&[])).is_empty());
    }
}
