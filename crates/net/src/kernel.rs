//! What the kernel grants, and what to tell the operator where that is too little.

use socket2::{Domain, Socket, Type};

/// Warnings about the system's limits, each with the line that mends it.
pub fn warnings(wanted_buffer: usize) -> Vec<String> {
    granted_buffers(wanted_buffer)
        .and_then(|granted| buffer_warning(wanted_buffer, granted))
        .into_iter()
        .collect()
}

fn buffer_warning(wanted: usize, (receive, send): (usize, usize)) -> Option<String> {
    if receive >= wanted && send >= wanted {
        return None;
    }
    Some(format!(
        "UDP socket buffers are limited to {} KiB for receiving and {} KiB for sending, bursts beyond that are \
         lost; to allow {} KiB: sysctl -w net.core.rmem_max={wanted} net.core.wmem_max={wanted}",
        receive / 1024,
        send / 1024,
        wanted / 1024,
    ))
}

/// Buffer sizes for receiving and sending that a socket gets when it asks for `wanted` bytes.
fn granted_buffers(wanted: usize) -> Option<(usize, usize)> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None).ok()?;
    // An error means less than asked for, which reading back shows.
    let _ = socket.set_recv_buffer_size(wanted);
    let _ = socket.set_send_buffer_size(wanted);
    let granted = |size: usize| size / BOOKKEEPING;
    Some((
        granted(socket.recv_buffer_size().ok()?),
        granted(socket.send_buffer_size().ok()?),
    ))
}

/// Datagrams that came in and were lost because the socket's buffer was full: its worker did not keep up. The kernel
/// tells it of all sockets of the network namespace together, so one worker counts for all.
pub struct ReceiveDrops {
    before: Option<u64>,
}

impl ReceiveDrops {
    /// Counts from now on.
    pub fn new() -> Self {
        Self {
            before: receive_drops(),
        }
    }

    /// Lost since the start; zero where the system doesn't tell. Costs some 50 µs.
    pub fn count(&self) -> u64 {
        let now = self.before.and_then(|_| receive_drops());
        now.unwrap_or_default()
            .saturating_sub(self.before.unwrap_or_default())
    }
}

fn receive_drops() -> Option<u64> {
    let v4 = parse_snmp(&std::fs::read_to_string("/proc/net/snmp").ok()?)?;
    let v6 = std::fs::read_to_string("/proc/net/snmp6").ok();
    Some(v4 + v6.and_then(|text| parse_snmp6(&text)).unwrap_or_default())
}

/// Two lines a protocol: names, then values (proc_net(5)).
fn parse_snmp(text: &str) -> Option<u64> {
    let mut lines = text.lines().filter(|line| line.starts_with("Udp: "));
    let (names, values) = (lines.next()?, lines.next()?);
    let at = names.split(' ').position(|name| name == "RcvbufErrors")?;
    values.split(' ').nth(at)?.parse().ok()
}

/// One line a value.
fn parse_snmp6(text: &str) -> Option<u64> {
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix("Udp6RcvbufErrors"))?;
    value.trim().parse().ok()
}

/// Linux doubles what is asked for, to pay for its bookkeeping, and reports the double (socket(7)).
const BOOKKEEPING: usize = if cfg!(target_os = "linux") { 2 } else { 1 };

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_warning_names_the_remedy() {
        let warning = buffer_warning(4 << 20, (208 << 10, 4 << 20)).expect("too little to receive");
        assert!(warning.contains("208 KiB"), "{warning}");
        assert!(
            warning.contains("sysctl -w net.core.rmem_max=4194304"),
            "{warning}"
        );
        assert_eq!(buffer_warning(4 << 20, (4 << 20, 5 << 20)), None);
    }

    #[test]
    fn lost_datagrams_are_read_from_the_kernels_tables() {
        let snmp = "Tcp: RtoAlgorithm\nTcp: 1\nUdp: InDatagrams NoPorts RcvbufErrors SndbufErrors\n\
                    Udp: 10 2 7 1\nUdpLite: InDatagrams NoPorts RcvbufErrors\nUdpLite: 0 0 9\n";
        assert_eq!(parse_snmp(snmp), Some(7));
        assert_eq!(parse_snmp("Udp: InDatagrams\nUdp: 5\n"), None);
        let snmp6 = "Udp6InErrors                    \t3\nUdp6RcvbufErrors                \t4\n";
        assert_eq!(parse_snmp6(snmp6), Some(4));
        assert_eq!(ReceiveDrops { before: None }.count(), 0);
    }

    #[test]
    fn a_modest_wish_is_granted() {
        assert_eq!(warnings(16 << 10), Vec::<String>::new());
    }
}
