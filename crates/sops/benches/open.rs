//! What opening a file costs, beside what it cannot cost less than: the X25519 operation that recovers its data key.
#![allow(missing_docs, reason = "criterion's macros make functions")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot start has to stop")]

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use manifest_yaml::Limits;
use sops::{AgeIdentities, EncryptOptions, Format, GoRegex, MacScope, Rule, decrypt, encrypt, open};

/// The plain text of the large file; sealed it has a little less than 5 MiB, the most that is read by default.
const LARGE: usize = 1_600_000;

fn identities() -> AgeIdentities {
    use age::secrecy::ExposeSecret as _;
    AgeIdentities::parse(age::x25519::Identity::generate().to_string().expose_secret()).unwrap()
}

fn sealed(plain: &str, identities: &AgeIdentities) -> String {
    let options = EncryptOptions {
        recipients: identities.recipients().cloned().collect(),
        rule: Rule::EncryptedRegex(GoRegex::parse("^(data|stringData)$").unwrap()),
        mac_scope: MacScope::AllValues,
        limits: Limits::default(),
    };
    let mut counter = 0_u8;
    let mut random = |buffer: &mut [u8]| {
        for byte in buffer {
            counter = counter.wrapping_mul(5).wrapping_add(1);
            *byte = counter;
        }
    };
    let now = "2026-01-02T03:04:05Z".parse().unwrap();
    encrypt(plain, Format::Yaml, &options, now, &mut random).unwrap()
}

fn secret() -> String {
    "apiVersion: v1\nkind: Secret\nmetadata:\n  name: database\nstringData:\n  user: shop\n  password: correct horse\n  \
     host: db.example.org\n"
        .to_owned()
}

fn large() -> String {
    let mut text = "apiVersion: v1\nkind: Secret\nmetadata:\n  name: large\nstringData:\n".to_owned();
    let mut line = 0;
    while text.len() < LARGE {
        writeln!(
            text,
            "  key{line}: value {line} with some words that fill the line"
        )
        .unwrap();
        line += 1;
    }
    text
}

fn opening(criterion: &mut Criterion) {
    let identities = identities();
    let limits = Limits::default();
    let small = sealed(&secret(), &identities);
    let mut group = criterion.benchmark_group("secret of 3 values");
    group.bench_function("open", |bencher| {
        bencher.iter(|| open(black_box(&small), Format::Yaml, &identities, &limits).unwrap());
    });
    group.bench_function("decrypt", |bencher| {
        bencher.iter(|| decrypt(black_box(&small), Format::Yaml, &identities, &limits).unwrap());
    });
    // Unwrapping a data key is one multiplication with the ephemeral share; all else is symmetric.
    group.bench_function("floor: one X25519 operation", |bencher| {
        let secret = x25519_dalek::StaticSecret::from([7; 32]);
        let share = x25519_dalek::PublicKey::from(&x25519_dalek::StaticSecret::from([9; 32]));
        bencher.iter_batched(
            || (secret.clone(), share),
            |(secret, share)| black_box(secret.diffie_hellman(&share)),
            BatchSize::SmallInput,
        );
    });
    group.finish();
}

fn opening_much(criterion: &mut Criterion) {
    let identities = identities();
    let limits = Limits::default();
    let sealed = sealed(&large(), &identities);
    let mut group = criterion.benchmark_group("sealed file of 5 MB");
    group.sample_size(10);
    group.throughput(Throughput::Bytes(sealed.len() as u64));
    group.bench_function("open", |bencher| {
        bencher.iter(|| open(black_box(&sealed), Format::Yaml, &identities, &limits).unwrap());
    });
    group.finish();
}

criterion_group!(benches, opening, opening_much);
criterion_main!(benches);
