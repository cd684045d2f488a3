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
    fn a_modest_wish_is_granted() {
        assert_eq!(warnings(16 << 10), Vec::<String>::new());
    }
}
