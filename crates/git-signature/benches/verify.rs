//! What a verdict costs: a history of commits that are signed with Ed25519, from objects in memory.
#![allow(missing_docs, reason = "criterion's macros make functions")]
#![allow(clippy::unwrap_used, reason = "a bench that cannot start has to stop")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use git_signature::{ObjectId, ObjectKind, TrustStore};
use jiff::Timestamp;
use ssh_key::private::{Ed25519Keypair, KeypairData};
use ssh_key::{HashAlg, LineEnding, PrivateKey};

/// When the last commit is made, and when all are judged.
const NOW: i64 = 1_767_225_600;

/// Commits in the history.
const COMMITS: usize = 10_000;

/// Keys that are trusted beside the one that signs: a lookup must cost the same among many.
const OTHER_SIGNERS: u8 = 50;

fn key(seed: u8) -> PrivateKey {
    let pair = Ed25519Keypair::from_seed(&[seed; Ed25519Keypair::BYTE_SIZE / 2]);
    PrivateKey::new(KeypairData::Ed25519(pair), "").unwrap()
}

fn trust() -> TrustStore {
    let line = |seed| format!("signer-{seed} {}\n", key(seed).public_key().to_openssh().unwrap());
    let lines: String = (0..=OTHER_SIGNERS).map(line).collect();
    TrustStore::parse([("allowed_signers", lines)]).unwrap()
}

/// Commits that follow one another, each signed as git signs it.
fn history() -> Vec<(ObjectId, Vec<u8>)> {
    let key = key(OTHER_SIGNERS);
    let mut commits: Vec<(ObjectId, Vec<u8>)> = Vec::new();
    for number in 0..COMMITS {
        let parent = commits
            .last()
            .map_or_else(String::new, |(id, _)| format!("parent {id}\n"));
        let person = format!("Ada <ada@example.org> {NOW} +0000");
        let headers = format!(
            "tree 4b825dc642cb6eb9a060e54bf8d69288fbee4904\n{parent}author {person}\ncommitter {person}\n"
        );
        let message = format!("\nChange number {number}\n");
        let payload = format!("{headers}{message}");
        let signature = key.sign("git", HashAlg::Sha512, payload.as_bytes()).unwrap();
        let armored = signature.to_pem(LineEnding::LF).unwrap();
        let folded = armored.trim_end().replace('\n', "\n ");
        let raw = format!("{headers}gpgsig {folded}\n{message}").into_bytes();
        commits.push((ObjectId::of(ObjectKind::Commit, &raw).unwrap(), raw));
    }
    commits
}

fn verifying(criterion: &mut Criterion) {
    let (trust, history) = (trust(), history());
    let now = Timestamp::from_second(NOW).unwrap();
    let mut group = criterion.benchmark_group("verify");
    group
        .throughput(Throughput::Elements(COMMITS as u64))
        .sample_size(10);
    group.bench_function("a history of 10000 Ed25519-signed commits", |bencher| {
        bencher.iter(|| {
            for (id, raw) in &history {
                black_box(trust.verify_commit(raw, *id, now).unwrap());
            }
        });
    });
    group.finish();
}

criterion_group!(benches, verifying);
criterion_main!(benches);
