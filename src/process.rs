//! What the operating system says of a process. Nothing where it does not tell: only Linux has `/proc`.

/// Ticks a second of the times in `/proc`; the same on every Linux that there is.
const TICKS: f64 = 100.0;

/// What a process holds in memory, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Memory {
    pub now: u64,
    pub peak: u64,
    pub virtual_size: u64,
}

/// Files that a process has open, and may.
#[derive(Clone, Copy, Debug)]
pub struct OpenFiles {
    pub now: u64,
    pub limit: u64,
}

/// What a process holds in memory.
pub fn memory(process: u32) -> Option<Memory> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let bytes = |name: &str| kilobytes(&status, name).map(|kilobytes| kilobytes * 1_024);
    Some(Memory { now: bytes("VmRSS:")?, peak: bytes("VmHWM:")?, virtual_size: bytes("VmSize:")? })
}

/// Processor time that a process has taken, in seconds.
pub fn cpu_seconds(process: u32) -> Option<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in parentheses may hold anything; the fields after it do not.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let (user, system): (f64, f64) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((user + system) / TICKS)
}

/// Files that a process has open, and may.
pub fn open_files(process: u32) -> Option<OpenFiles> {
    let limits = std::fs::read_to_string(format!("/proc/{process}/limits")).ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    let limit = match line.split_whitespace().next()? {
        "unlimited" => u64::MAX,
        number => number.parse().ok()?,
    };
    Some(OpenFiles { now: std::fs::read_dir(format!("/proc/{process}/fd")).ok()?.count() as u64, limit })
}

/// Memory that the machine, or the control group that this process lives in, has, in bytes.
pub fn machine_memory() -> Option<u64> {
    let machine = kilobytes(&std::fs::read_to_string("/proc/meminfo").ok()?, "MemTotal:")? * 1_024;
    let group = std::fs::read_to_string("/sys/fs/cgroup/memory.max").ok();
    let group = group.and_then(|text| text.trim().parse().ok());
    Some(group.map_or(machine, |group: u64| group.min(machine)))
}

/// Room for this user on the disk that a folder lies on, in bytes.
#[cfg(unix)]
pub fn free_bytes(folder: &std::path::Path) -> Option<u64> {
    let about = rustix::fs::statvfs(folder).ok()?;
    Some(about.f_bavail.saturating_mul(about.f_frsize))
}

#[cfg(not(unix))]
pub fn free_bytes(_: &std::path::Path) -> Option<u64> {
    None
}

fn kilobytes(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_system_tells_of_this_process() {
        let own = std::process::id();
        let memory = memory(own).unwrap();
        assert!(memory.now > 0 && memory.peak >= memory.now && memory.virtual_size >= memory.now);
        assert!(cpu_seconds(own).is_some());
        let files = open_files(own).unwrap();
        assert!(files.now > 0 && files.limit >= files.now);
        assert!(machine_memory().unwrap() > memory.now);
    }

    #[test]
    fn of_a_process_that_is_not_there_nothing_is_known() {
        assert!(memory(u32::MAX).is_none() && cpu_seconds(u32::MAX).is_none() && open_files(u32::MAX).is_none());
    }
}
