//! An independent WebRTC stack as the client: what it takes from us and we from it.

mod support;

use std::time::{Duration, Instant};

use bytes::Bytes;
use sluice_peer::{
    ChannelSettings, Credentials, DtlsRole, Fingerprint, HashAlgorithm, PeerEvent,
    RemoteDescription, SendOutcome, SrtpProfile,
};
use sluice_wire::id::Ssrc;
use str0m::channel::{ChannelConfig, Reliability};
use str0m::media::MediaKind;
use str0m::net::{Protocol, Receive};
use str0m::rtp::RtpWrite;
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};
use support::{CLIENT, SERVER, Side, addr, epoch, host};

const HALF_TRIP: Duration = Duration::from_millis(5);

struct Call {
    now: Instant,
    server: Side,
    client: Rtc,
    client_due: Instant,
    events: Vec<Event>,
    flying: Vec<(Instant, bool, Vec<u8>)>,
}

impl Call {
    fn new(server_controls: bool, lite: bool) -> Self {
        str0m::crypto::from_feature_flags().install_process_default();
        let now = epoch();
        let mut server = if lite {
            Side::lite_server(now, 1)
        } else {
            Side::server(now, 1)
        };
        let mut client = RtcConfig::new().set_rtp_mode(true).build(now);
        client.add_local_candidate(Candidate::host(addr(CLIENT), "udp").expect("candidate"));
        client.add_remote_candidate(Candidate::host(addr(SERVER), "udp").expect("candidate"));

        let mut direct = client.direct_api();
        let creds = direct.local_ice_credentials();
        let digest = direct.local_dtls_fingerprint().bytes.clone();
        let value: Vec<String> = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        direct.set_remote_ice_credentials(str0m::ice::IceCreds {
            ufrag: server.creds.ufrag.clone(),
            pass: server.creds.pwd.clone(),
        });
        let ours = server
            .certificate
            .fingerprint(HashAlgorithm::Sha256)
            .value_text();
        let bytes = ours
            .split(':')
            .map(|pair| u8::from_str_radix(pair, 16).expect("hex"))
            .collect();
        direct.set_remote_fingerprint(str0m::crypto::Fingerprint {
            hash_func: "sha-256".to_owned(),
            bytes,
        });
        direct.set_ice_controlling(!server_controls);
        direct.start_dtls(true).expect("starts");
        direct.start_sctp(true);

        server.peer.set_remote(
            now,
            RemoteDescription {
                ice: Credentials::new(creds.ufrag, creds.pass),
                ice_lite: false,
                dtls_role: DtlsRole::Server,
                fingerprints: vec![
                    Fingerprint::parse("sha-256", &value.join(":")).expect("fingerprint"),
                ],
            },
        );
        server.peer.add_remote_candidate(now, &host(addr(CLIENT)));
        Self {
            now,
            server,
            client,
            client_due: now,
            events: Vec::new(),
            flying: Vec::new(),
        }
    }

    fn run_until(&mut self, limit: Duration, done: impl Fn(&Call) -> bool) -> bool {
        let end = self.now + limit;
        while self.now < end {
            self.drain();
            if done(self) {
                return true;
            }
            let flights = self.flying.iter().map(|(at, ..)| *at).min();
            let timers = [
                self.server.peer.poll_timeout(),
                Some(self.client_due),
                flights,
            ];
            let next = timers.into_iter().flatten().min().unwrap_or(end);
            self.now = next.max(self.now + Duration::from_millis(1));
            let (due, later) = self.flying.drain(..).partition(|(at, ..)| *at <= self.now);
            self.flying = later;
            for (_, to_server, bytes) in due {
                if to_server {
                    self.server.receive(self.now, addr(CLIENT), &bytes);
                } else {
                    self.client_receives(&bytes);
                }
            }
            self.server.peer.handle_timeout(self.now);
            self.client
                .handle_input(Input::Timeout(self.now))
                .expect("the client is well");
        }
        done(self)
    }

    fn client_receives(&mut self, bytes: &[u8]) {
        let receive =
            Receive::new(Protocol::Udp, addr(SERVER), addr(CLIENT), bytes).expect("a packet");
        self.client
            .handle_input(Input::Receive(self.now, receive))
            .expect("the client is well");
    }

    fn drain(&mut self) {
        let arrives = self.now + HALF_TRIP;
        while let Some(transmit) = self.server.peer.poll_transmit() {
            self.flying.push((arrives, false, transmit.bytes));
        }
        while let Some(event) = self.server.peer.poll_event() {
            self.server.events.push((Duration::ZERO, event));
        }
        loop {
            match self.client.poll_output().expect("the client is well") {
                Output::Timeout(at) => {
                    self.client_due = at;
                    return;
                }
                Output::Transmit(transmit) => {
                    self.flying
                        .push((arrives, true, transmit.contents.to_vec()));
                }
                Output::Event(event) => self.events.push(event),
            }
        }
    }
}

#[test]
fn str0m_connects_and_exchanges_media_and_data() {
    for (server_controls, lite) in [(false, false), (true, false), (false, true)] {
        let mut call = Call::new(server_controls, lite);
        call.server
            .peer
            .open_data_channel(call.now, ChannelSettings::reliable("_reliable"));
        let lossy = call.client.direct_api().create_data_channel(ChannelConfig {
            label: "_lossy".to_owned(),
            ordered: false,
            reliability: Reliability::MaxRetransmits { retransmits: 0 },
            ..ChannelConfig::default()
        });
        let open = |call: &Call| {
            let opened = call
                .events
                .iter()
                .filter(|event| matches!(event, Event::ChannelOpen(..)))
                .count();
            opened == 2
                && call.server.channel("_lossy").is_some()
                && call.server.channel("_reliable").is_some()
        };
        assert!(
            call.run_until(Duration::from_secs(10), open),
            "controls {server_controls}, lite {lite}"
        );
        let gcm = |event: &PeerEvent| match event {
            PeerEvent::Connected { profile, .. } => *profile != SrtpProfile::Aes128CmSha1_80,
            _ => false,
        };
        assert!(call.server.saw(gcm));
        data(&mut call, lossy);
        media(&mut call);
    }
}

fn data(call: &mut Call, lossy: str0m::channel::ChannelId) {
    let id = call.server.channel("_reliable").expect("open");
    let message = Bytes::from(vec![7; 30_000]);
    assert_eq!(
        call.server
            .peer
            .send_data(call.now, id, &message, true, 1 << 20),
        SendOutcome::Sent
    );
    call.client
        .channel(lossy)
        .expect("open")
        .write(true, b"to the server")
        .expect("written");
    let arrived = |call: &Call| {
        let to_client = call
            .events
            .iter()
            .any(|event| matches!(event, Event::ChannelData(data) if data.data.len() == 30_000));
        to_client && call.server.messages() == [Bytes::from_static(b"to the server")]
    };
    assert!(call.run_until(Duration::from_secs(10), arrived));
    let settings = call
        .server
        .events
        .iter()
        .find_map(|(_, event)| match event {
            PeerEvent::ChannelOpened { settings, .. } if settings.label == "_lossy" => {
                Some(settings.clone())
            }
            _ => None,
        });
    assert_eq!(settings, Some(ChannelSettings::lossy("_lossy")));
}

fn media(call: &mut Call) {
    let (mid, up, down) = ("aud".into(), 42.into(), Ssrc(43));
    let mut direct = call.client.direct_api();
    direct.declare_media(mid, MediaKind::Audio);
    direct.declare_stream_tx(up, None, mid, None);
    direct.expect_stream_rx(down.0.into(), None, mid, None);
    for n in 0..20u16 {
        let mut direct = call.client.direct_api();
        let stream = direct.stream_tx(&up).expect("declared");
        stream.write_rtp(RtpWrite::new(
            111.into(),
            u64::from(n).into(),
            u32::from(n) * 960,
            call.now,
            &b"up"[..],
        ));
        let context = call.server.peer.send_stream(down).expect("keys");
        let mut out = vec![0; 200];
        let mut header = support::rtp_header(down, n);
        header[1] = 111;
        out[..12].copy_from_slice(&header);
        let len = call
            .server
            .peer
            .seal_rtp(context, &mut out, 12, b"do", b"wn")
            .expect("sealed");
        out.truncate(len);
        call.flying.push((call.now + HALF_TRIP, false, out));
        call.run_until(Duration::from_millis(20), |_| false);
    }
    assert_eq!(call.server.rtp.len(), 20);
    assert!(call.server.rtp.iter().all(|packet| packet.ends_with(b"up")));
    let payloads = call.events.iter().filter_map(|event| match event {
        Event::RtpPacket(packet) => Some(&packet.payload[..]),
        _ => None,
    });
    assert_eq!(payloads.filter(|payload| *payload == b"down").count(), 20);
}
