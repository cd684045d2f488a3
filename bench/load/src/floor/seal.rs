//! Encrypting and authenticating, without anything around it.

use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;

use super::cpu::spent;
use super::figure::{Figure, Figures};

/// Seals and opens datagrams of so many bytes, RTP header and tag included.
pub fn measure(bytes: usize, figures: &mut Figures) {
    let mut packet = vec![0x33; bytes];
    let (header, rest) = packet.split_at_mut(HEADER_BYTES);
    let mut add = |step, mode, time| figures.add(Figure::of((step, mode), (bytes, 1), time, SEALS));

    let key = gcm_key(0);
    let (body, tag) = rest.split_at_mut(rest.len() - GCM_TAG_BYTES);
    let time = spent(|| {
        for index in 0..SEALS {
            let sealed =
                key.seal_in_place_separate_tag(nonce(index), Aad::from(&*header), &mut *body);
            tag.copy_from_slice(sealed.expect("a packet is short").as_ref());
        }
    });
    add("seal", "AES-128-GCM in place", time);

    let plain = vec![0x55; body.len()];
    let time = spent(|| {
        for index in 0..SEALS {
            body.copy_from_slice(&plain);
            let sealed =
                key.seal_in_place_separate_tag(nonce(index), Aad::from(&*header), &mut *body);
            tag.copy_from_slice(sealed.expect("a packet is short").as_ref());
        }
    });
    add("seal", "AES-128-GCM of a copy", time);

    let time = spent(|| {
        for index in 0..SEALS {
            let aad = Aad::from(&*header);
            key.seal_out_of_place_scatter(nonce(index), aad, &plain, body, &[], tag)
                .expect("a packet is short");
        }
    });
    add("seal", "AES-128-GCM out of place", time);

    let sealed = rest.to_vec();
    let mut buffer = sealed.clone();
    let time = spent(|| {
        for _ in 0..SEALS {
            buffer.copy_from_slice(&sealed);
            key.open_in_place(nonce(SEALS - 1), Aad::from(&*header), &mut buffer)
                .expect("it is as it was sealed");
        }
    });
    add("open", "AES-128-GCM of a copy", time);

    let (key, auth) = counter_keys();
    let (body, tag) = rest.split_at_mut(rest.len() - HMAC_TAG_BYTES);
    let time = spent(|| {
        for index in 0..SEALS {
            let mut iv = [0; 16];
            iv[8..].copy_from_slice(&(index as u64).to_be_bytes());
            let context = EncryptionContext::Iv128(FixedLength::from(iv));
            key.less_safe_encrypt(&mut *body, context)
                .expect("a packet is short");
            let mut mac = hmac::Context::with_key(&auth);
            mac.update(header);
            mac.update(body);
            mac.update(&[0; 4]);
            tag.copy_from_slice(&mac.sign().as_ref()[..HMAC_TAG_BYTES]);
        }
    });
    add("seal", "AES-128-CM, HMAC-SHA1-80", time);
}

/// The key of one receiver.
pub fn gcm_key(of: usize) -> LessSafeKey {
    let mut bytes = [7; 16];
    bytes[..8].copy_from_slice(&(of as u64).to_be_bytes());
    let key = UnboundKey::new(&AES_128_GCM, &bytes).expect("the key has its length");
    LessSafeKey::new(key)
}

/// Of the packet with this number.
pub fn nonce(index: usize) -> Nonce {
    let mut bytes = [0; 12];
    bytes[4..].copy_from_slice(&(index as u64).to_be_bytes());
    Nonce::assume_unique_for_key(bytes)
}

fn counter_keys() -> (EncryptingKey, hmac::Key) {
    let key = UnboundCipherKey::new(&AES_128, &[7; 16]).expect("the key has its length");
    let auth = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &[9; 20]);
    (EncryptingKey::ctr(key).expect("the key is good"), auth)
}

/// RTP header without extensions.
pub const HEADER_BYTES: usize = 12;
pub const GCM_TAG_BYTES: usize = 16;
const HMAC_TAG_BYTES: usize = 10;

/// Of each kind in a round: some milliseconds.
const SEALS: usize = 10_000;
