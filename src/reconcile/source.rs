//! Which commit, and who signed it.

use std::sync::Arc;

use git_signature::{ObjectId, Refusal};
use jiff::Timestamp;
use ring::digest::{Context as Digest, SHA256};

use super::{Context, Failure, Trigger, refused, sibling};
use crate::api::{ConditionType, GitSourceSpec, GitSourceStatus, Remedy, TrustReference, VerificationMode};
use crate::audit::{AnchoredBy, Event, Subject};
use crate::name::{Kind, ObjectName};
use crate::notify::Step;
use crate::source::{self, Credentials, DEFAULT_STEP, Fetch, GitUrl, Home, Proxy, WantApprovals};
use crate::store::{Definition, LastTrusted, Store};
use crate::verify::{Materials, Policy, TrustMaterial, VerifiedRevision, VerifyError, facts, verify};

/// What came of a source.
pub struct Sourced {
    /// Its newest revision, verified; or why there is none.
    pub result: Result<Arc<VerifiedRevision>, Failure>,
    /// Whether the revision that was verified before may still be applied.
    pub held: Held,
    /// In mode History the full id of the commit that new ones have to descend from, if it is known.
    pub last_trusted: Option<String>,
}

/// Whether a revision that was verified before may still be applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// It may, whatever came of a newer one.
    Stands,
    /// Its key was revoked or has expired since.
    Withdrawn,
}

type Source = Definition<GitSourceSpec, GitSourceStatus>;

/// Brings a source's newest revision here and verifies it. First the revision that was verified before is held against
/// the trust material as it is now: a remote that is away keeps no revoked key alive.
pub async fn reconcile_source(
    context: &Context,
    source: &Source,
    held: Option<Arc<VerifiedRevision>>,
    trigger: Trigger,
) -> Sourced {
    let mut work = Work {
        context,
        source,
        reached: None,
        subject: Subject {
            object: ObjectName {
                kind: Kind::GitSource,
                key: source.key.clone(),
            },
            trigger,
            commit: None,
            signer: None,
        },
    };
    let (result, held) = match work.run(held).await {
        Ok(revision) => (Ok(revision), Held::Stands),
        Err(Stop { failure, held }) => (Err(failure), held),
    };
    Sourced {
        result,
        held,
        last_trusted: work.reached.map(|reached| reached.commit),
    }
}

/// The end of a run that brings no revision.
struct Stop {
    failure: Failure,
    held: Held,
}

impl<E: Into<Failure>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self {
            failure: error.into(),
            held: Held::Stands,
        }
    }
}

struct Work<'a> {
    context: &'a Context,
    source: &'a Source,
    subject: Subject,
    /// What is known of the source's history.
    reached: Option<LastTrusted>,
}

/// With what the remote is asked.
struct Access {
    url: GitUrl,
    credentials: Credentials,
    proxy: Option<Proxy>,
}

impl Work<'_> {
    async fn run(&mut self, held: Option<Arc<VerifiedRevision>>) -> Result<Arc<VerifiedRevision>, Stop> {
        self.context.store.forget_references(&self.subject.object);
        let access = self.access().await?;
        self.reached = self.reached()?;
        // The policy is made before anything is fetched: without it, nothing that is fetched could be used.
        let policy = Arc::new(self.policy().await?);
        if let Some(held) = &held {
            self.hold(Arc::clone(held), Arc::clone(&policy)).await?;
        }
        let revision = self.fetch(access, policy, held).await?;
        self.advance(&revision)?;
        Ok(revision)
    }

    /// The last trusted commit of this object's URL and ref: what the state directory says, or, where that was lost, the
    /// status that was published for the same spec.
    fn reached(&self) -> Result<Option<LastTrusted>, Failure> {
        let Definition {
            key,
            spec,
            status,
            generation,
            ..
        } = self.source;
        if spec.verify.mode != VerificationMode::History {
            return Ok(None);
        }
        if let Some(reached) = LastTrusted::read(&self.context.state_dir, key, spec)? {
            return Ok(Some(reached));
        }
        let is_of_this_spec = generation.is_some() && status.observed_generation == *generation;
        let published = status.last_trusted.as_ref().filter(|_| is_of_this_spec);
        Ok(published.map(|commit| LastTrusted::new(key, spec, commit.clone(), status.signer.clone())))
    }

    /// The request to accept a commit that does not descend from the last trusted one, unless it was followed before.
    fn accept_request(&self) -> Option<&str> {
        let request = self.source.accept_rewind.as_deref()?;
        let followed = self
            .reached
            .as_ref()
            .and_then(|reached| reached.accepted.as_deref());
        (followed != Some(request)).then_some(request)
    }

    fn accepted(&self) -> Option<ObjectId> {
        let request = self.accept_request()?;
        let commit = request.split_once('@').map_or(request, |(commit, _)| commit);
        commit.parse().ok()
    }

    /// Keeps a verified revision as the one that the next has to descend from. That is on disk, and on record where
    /// history begins anew with it, before the revision is used.
    fn advance(&mut self, revision: &VerifiedRevision) -> Result<(), Failure> {
        let Definition { key, spec, .. } = self.source;
        if spec.verify.mode != VerificationMode::History {
            return Ok(());
        }
        let commit = revision.commit().id.clone();
        let is_accepted = self.accepted().is_some_and(|id| id.to_string() == commit);
        let former = self.reached.as_ref();
        let begun_by = match former {
            _ if is_accepted => Some(AnchoredBy::AcceptRewind),
            Some(former) if former.start_from == spec.verify.start_from => None,
            Some(_) if spec.verify.start_from.is_none() => None,
            _ if spec.verify.start_from.is_some() => Some(AnchoredBy::StartFrom),
            _ => Some(AnchoredBy::FirstSight),
        };
        let followed = if is_accepted {
            self.source.accept_rewind.clone()
        } else {
            former.and_then(|former| former.accepted.clone())
        };
        let signer = revision.verification().signer_status();
        let mut reached = LastTrusted::new(key, spec, commit, signer);
        reached.accepted = followed;
        reached.rules = revision.rules_digest();
        if former == Some(&reached) && begun_by.is_none() {
            return Ok(());
        }
        if let Some(by) = begun_by {
            let event = Event::TrustAnchored {
                subject: Subject {
                    signer: Some(revision.verification().to_string()),
                    ..self.subject_of(&reached.commit)
                },
                by,
                previous: former.map(|former| former.commit.clone()),
            };
            self.context.audit.note(event, Timestamp::now())?;
            tracing::info!(object = %self.subject.object, commit = reached.commit, by = by.as_str(), "history begins with this commit");
        }
        reached.write(&self.context.state_dir, key, spec)?;
        self.reached = Some(reached);
        Ok(())
    }

    async fn access(&self) -> Result<Access, Failure> {
        let Definition { key, spec, .. } = self.source;
        let store = &self.context.store;
        let home = match store {
            Store::InCluster(_) => Home::Cluster,
            Store::Folder(_) => Home::ConfigFile,
        };
        let url = GitUrl::parse(&spec.url, home)
            .map_err(|error| Failure::new(Step::Configure, "URLInvalid", &error, Remedy::Change))?;
        let reader = &self.subject.object;
        let credentials = match &spec.secret_ref {
            Some(reference) => {
                let data = store.secret(reader, &sibling(key, &reference.name)?).await?;
                Credentials::from_secret(&url, data)?
            }
            None => Credentials::anonymous(),
        };
        let proxy = match &spec.proxy_secret_ref {
            Some(reference) => {
                let data = store.secret(reader, &sibling(key, &reference.name)?).await?;
                Some(Proxy::from_secret(data)?)
            }
            None => None,
        };
        Ok(Access {
            url,
            credentials,
            proxy,
        })
    }

    /// The policy of the spec. Material that was not used before is on record before it is.
    async fn policy(&self) -> Result<Policy, Failure> {
        let spec = &self.source.spec.verify;
        let forge = spec.forge.as_ref().map(|forge| &forge.trust_ref);
        let materials = Materials {
            people: self.material(spec.trust_ref.as_ref()).await?,
            forge: self.material(forge).await?,
        };
        let policy = Policy::new(spec, &materials, self.reached.as_ref(), self.accepted())?;
        if let Some(digest) = digest(&materials) {
            self.context
                .audit
                .trust(self.subject.clone(), digest, Timestamp::now())?;
        }
        Ok(policy)
    }

    async fn material(&self, reference: Option<&TrustReference>) -> Result<Option<TrustMaterial>, Failure> {
        let Some(reference) = reference else {
            return Ok(None);
        };
        let referred = sibling(&self.source.key, &reference.name)?;
        let reader = &self.subject.object;
        let store = &self.context.store;
        Ok(Some(store.trust(reader, reference.kind, &referred).await?))
    }

    /// Asks whether the revision that was verified before still satisfies the policy.
    async fn hold(&self, held: Arc<VerifiedRevision>, policy: Arc<Policy>) -> Result<(), Stop> {
        if held.still_satisfies(&policy, Timestamp::now()) {
            return Ok(());
        }
        self.context.metrics.judged();
        let verified = tokio::task::spawn_blocking(move || {
            held.verify_again(&policy, Timestamp::now())
                .map_err(|error| Box::new((error, held.commit().clone())))
        });
        let verified = verified
            .await
            .map_err(|error| Failure::internal(Step::Verify, &error))?;
        let Err(refusal) = verified else { return Ok(()) };
        let (error, commit) = *refusal;
        if !withdraws(&error) {
            return Ok(());
        }
        let subject = self.subject_of(&commit.id);
        let failure = Failure {
            commit: Some(Box::new(commit)),
            // A newer one may be there already.
            remedy: Remedy::Retry,
            ..Failure::from(error)
        };
        self.refused(subject, &failure);
        Err(Stop {
            failure,
            held: Held::Withdrawn,
        })
    }

    /// Fetches and verifies. What was verified before and is there still is not verified again.
    async fn fetch(
        &self,
        access: Access,
        policy: Arc<Policy>,
        held: Option<Arc<VerifiedRevision>>,
    ) -> Result<Arc<VerifiedRevision>, Failure> {
        let spec = &self.source.spec;
        let Access {
            url,
            credentials,
            proxy,
        } = access;
        let fetched = source::fetch(Fetch {
            url,
            reference: spec.reference.clone(),
            credentials,
            proxy,
            timeout: spec.timeout.map_or(DEFAULT_STEP, |timeout| timeout.0),
            approvals: match spec.verify.mode {
                VerificationMode::None => WantApprovals::Never,
                _ if spec.verify.rules.is_empty() => WantApprovals::IfAsked,
                _ => WantApprovals::Always,
            },
            state_dir: self.context.state_dir.clone(),
        });
        let revision = fetched.await.map_err(|error| {
            let is_refusal = error.is_refusal();
            let failure = Failure::from(error);
            if is_refusal {
                self.refused(self.subject.clone(), &failure);
            }
            failure
        })?;
        let now = Timestamp::now();
        if let Some(held) = held.filter(|held| held.is_of(&revision) && held.still_satisfies(&policy, now)) {
            return Ok(held);
        }
        self.context.metrics.judged();
        let verified = tokio::task::spawn_blocking(move || {
            verify(&revision, &policy, Timestamp::now()).map_err(|error| Box::new((error, facts(&revision))))
        });
        let verified = verified
            .await
            .map_err(|error| Failure::internal(Step::Verify, &error))?;
        verified.map(Arc::new).map_err(|refusal| {
            let (error, commit) = *refusal;
            let subject = self.subject_of(&commit.id);
            let failure = Failure {
                commit: Some(Box::new(commit)),
                ..Failure::from(error)
            };
            self.refused(subject, &failure);
            failure
        })
    }

    fn subject_of(&self, commit: &str) -> Subject {
        Subject {
            commit: Some(commit.to_owned()),
            ..self.subject.clone()
        }
    }

    fn refused(&self, subject: Subject, failure: &Failure) {
        let ready = self.source.status.conditions.get(ConditionType::Ready);
        refused(self.context, subject, failure, ready);
    }
}

/// Whether a refusal means that what was verified before must not be applied any more. That a key was taken out of the
/// material counts for new commits only; that an object cannot be read says nothing of its signature.
fn withdraws(error: &VerifyError) -> bool {
    match error {
        VerifyError::Commit { refusal, .. } | VerifyError::Tag { refusal, .. } => {
            !matches!(refusal, Refusal::UnknownKey { .. })
        }
        _ => false,
    }
}

/// The digest of trust material, by which one is told from another: SHA-256 over each file name and content, in the
/// order of the names, each after its length as 8 bytes in network order. A forge's files come last, with `forge/` in
/// front of their names. None where nobody is trusted.
fn digest(materials: &Materials) -> Option<String> {
    let Materials { people, forge } = materials;
    if people.is_none() && forge.is_none() {
        return None;
    }
    let mut digest = Digest::new(&SHA256);
    let mut update = |parts: [&[u8]; 2]| {
        for part in parts {
            digest.update(&(part.len() as u64).to_be_bytes());
            digest.update(part);
        }
    };
    for (name, content) in people.iter().flatten() {
        update([name.as_bytes(), content]);
    }
    for (name, content) in forge.iter().flatten() {
        update([format!("forge/{name}").as_bytes(), content]);
    }
    let bytes = digest.finish();
    let hex = bytes.as_ref().iter().map(|byte| format!("{byte:02x}"));
    Some(format!("sha256:{}", hex.collect::<String>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn material_is_told_apart_by_every_byte_of_its_names_and_contents() {
        let of = |entries: &[(&str, &str)]| {
            let entries = entries.iter();
            let files = entries.map(|(name, content)| ((*name).to_owned(), content.as_bytes().to_vec()));
            let materials = |people, forge| digest(&Materials { people, forge }).unwrap();
            let files: TrustMaterial = files.collect();
            let of_people = materials(Some(files.clone()), None);
            if !files.is_empty() {
                assert_ne!(of_people, materials(None, Some(files)));
            }
            of_people
        };
        let materials: [&[(&str, &str)]; 6] = [
            &[],
            &[("a", "bc")],
            &[("ab", "c")],
            &[("a", "b"), ("c", "")],
            &[("a", ""), ("b", "c")],
            &[("a", "bd")],
        ];
        let digests: std::collections::BTreeSet<_> = materials.iter().map(|entries| of(entries)).collect();
        assert_eq!(digests.len(), materials.len());
        assert_eq!(of(&[("a", "b"), ("c", "")]), of(&[("c", ""), ("a", "b")]));
        let empty = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(of(&[]), empty);
        assert_eq!(digest(&Materials::default()), None);
    }
}
