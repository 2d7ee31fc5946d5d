//! What each cryptographic operation costs. docs/crypto.md keeps the figures.

use std::hint::black_box;
use std::time::Duration;

use coati::crypto::alg::Group;
use coati::crypto::default::provider;
use coati::crypto::dh::DhSecret;
use coati::crypto::random::SeededRandom;
use coati::crypto::secret::Secret;
use coati::crypto::sign::{load_private_key, verify};
use coati::crypto::x509::issue::generate_rsa_key;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use num_bigint::BigUint;

/// Octets of a typical IKE message, and of a full ESP packet.
const MESSAGE: usize = 1024;
const PACKET: usize = 1400;

fn diffie_hellman(c: &mut Criterion) {
    let mut random = SeededRandom::from_seed([1; 32]);
    let mut bench = c.benchmark_group("dh");
    for group in provider().groups {
        let mut secret = || group.secret(&mut random).expect("a seeded source never fails");
        let (x, y) = (secret(), secret());
        let g_y = group.public(&y);
        bench.bench_function(BenchmarkId::new("public", group.group()), |b| {
            b.iter(|| black_box(group.public(black_box(&x))));
        });
        bench.bench_function(BenchmarkId::new("shared", group.group()), |b| {
            b.iter(|| black_box(group.shared(black_box(&x), black_box(&g_y))));
        });
    }
    bench.finish();
}

/// What the short exponents and the table save: the same with an exponent as long as the prime, and num-bigint
/// (whose time depends on the secret) with the short one.
fn diffie_hellman_otherwise(c: &mut Criterion) {
    let mut random = SeededRandom::from_seed([2; 32]);
    let mut bench = c.benchmark_group("dh-otherwise");
    for group in [Group::Modp1024, Group::Modp1536, Group::Modp2048, Group::Modp3072, Group::Modp4096] {
        let Some(group) = provider().group(group) else { continue };
        let len = group.public_len();
        let short = group.secret(&mut random).expect("a seeded source never fails");
        let g_y = group.public(&short);
        let long = DhSecret(Secret::new(vec![0xa5; len]));
        bench.bench_function(BenchmarkId::new("shared-full-length", group.group()), |b| {
            b.iter(|| black_box(group.shared(black_box(&long), &g_y)));
        });
        // Its time depends on the size of the modulus only, so any odd one of that size will do.
        let modulus = (BigUint::from(1_u8) << (8 * len)) - 159_u8;
        let (base, exponent) = (BigUint::from_bytes_be(&g_y), BigUint::from_bytes_be(short.0.expose()));
        bench.bench_function(BenchmarkId::new("num-bigint-short", group.group()), |b| {
            b.iter(|| black_box(black_box(&base).modpow(&exponent, &modulus)));
        });
    }
    bench.finish();
}

fn signatures(c: &mut Criterion) {
    let mut random = SeededRandom::from_seed([3; 32]);
    let mut bench = c.benchmark_group("signature");
    let hash = [0x77; 32];
    let mut keys = Vec::new();
    for bits in [1024, 2048, 4096] {
        let pem = generate_rsa_key(bits, &mut random).expect("a size that exists");
        keys.push((format!("rsa-{bits}"), load_private_key(pem.as_bytes()).expect("just made")));
    }
    let ec = include_bytes!("../tests/vectors/x509/prime256v1.pkcs8.pem");
    keys.push(("ecdsa-256".to_owned(), load_private_key(ec).expect("a good key")));
    for (name, key) in keys {
        let signature = key.sign(&hash, &[9; 32]).expect("the hash fits");
        bench.bench_function(BenchmarkId::new("sign", &name), |b| {
            b.iter(|| black_box(key.sign(black_box(&hash), &[9; 32])));
        });
        bench.bench_function(BenchmarkId::new("verify", &name), |b| {
            b.iter(|| black_box(verify(key.public_key_der(), key.method(), black_box(&hash), &signature)));
        });
    }
    bench.finish();
}

fn hmacs(c: &mut Criterion) {
    let mut bench = c.benchmark_group("hmac");
    bench.throughput(Throughput::Bytes(MESSAGE as u64));
    let message = [0x5a; MESSAGE];
    for hash in provider().hashes {
        let key = hash.hmac_key(&[7; 20]);
        bench.bench_function(BenchmarkId::from_parameter(hash.algorithm()), |b| {
            b.iter(|| black_box(key.mac(&[black_box(&message)])));
        });
    }
    bench.finish();
}

fn ciphers(c: &mut Criterion) {
    let mut bench = c.benchmark_group("cipher");
    bench.throughput(Throughput::Bytes(MESSAGE as u64));
    for cipher in provider().ciphers {
        let algorithm = cipher.algorithm();
        let (lowest, _, _) = algorithm.key_bits();
        let lengths = if algorithm.is_variable() { vec![128, 256] } else { vec![lowest] };
        for bits in lengths.into_iter().filter(|&bits| bits > 0 && algorithm.accepts_key_bits(bits)) {
            let Ok(key) = cipher.with_key(&vec![7; usize::from(bits / 8) + algorithm.salt_len()]) else {
                continue;
            };
            let (iv, mut data) = (vec![9; cipher.iv_len()], [0x5a; MESSAGE]);
            bench.bench_function(BenchmarkId::new("encrypt", format_args!("{algorithm}-{bits}")), |b| {
                b.iter(|| key.encrypt(black_box(&iv), black_box(&mut data)));
            });
            bench.bench_function(BenchmarkId::new("decrypt", format_args!("{algorithm}-{bits}")), |b| {
                b.iter(|| key.decrypt(black_box(&iv), black_box(&mut data)));
            });
        }
    }
    bench.finish();
}

fn aeads(c: &mut Criterion) {
    let mut bench = c.benchmark_group("aead");
    bench.throughput(Throughput::Bytes(PACKET as u64));
    for aead in provider().aeads {
        for bits in [128, 256] {
            let Ok(key) = aead.with_key(&vec![7; bits / 8 + 4]) else { continue };
            let sealed = |data: &mut [u8; PACKET]| key.seal(&[1; 8], &[2; 8], data);
            let mut data = [0x5a; PACKET];
            let name = format!("{}-{bits}", aead.algorithm());
            bench.bench_function(BenchmarkId::new("seal", &name), |b| {
                b.iter(|| black_box(sealed(black_box(&mut data))));
            });
            let Ok(tag) = sealed(&mut data) else { continue };
            bench.bench_function(BenchmarkId::new("open", &name), |b| {
                b.iter(|| key.open(&[1; 8], &[2; 8], &mut black_box(data), black_box(&tag)));
            });
        }
    }
    bench.finish();
}

fn quick() -> Criterion {
    Criterion::default()
        .sample_size(20)
        .warm_up_time(Duration::from_millis(200))
        .measurement_time(Duration::from_millis(800))
}

criterion_group! {
    name = benches;
    config = quick();
    targets = diffie_hellman, diffie_hellman_otherwise, signatures, hmacs, ciphers, aeads
}
criterion_main!(benches);
