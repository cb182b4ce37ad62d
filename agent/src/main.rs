//! Starts the agent: settings → identity (enrolled at the first start) → journal → watches, webhook, link → the loop.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use breakglass_agent::args::Args;
use breakglass_agent::clock::Clock;
use breakglass_agent::cluster::Cluster;
use breakglass_agent::cluster::watch::{self as cluster_watch, Sighting, WatchNamespaces};
use breakglass_agent::counters::Counters;
use breakglass_agent::event_loop::{self, Parts};
use breakglass_agent::identity::{Identity, JournalKey};
use breakglass_agent::journal::{self, Journal};
use breakglass_agent::link::enrol::{self, Enrolled};
use breakglass_agent::link::proxy::Proxy;
use breakglass_agent::link::retry::Pauses;
use breakglass_agent::link::{self, LinkSettings};
use breakglass_agent::published::Published;
use breakglass_agent::restored::Restored;
use breakglass_agent::telemetry::{self, Health};
use breakglass_agent::webhook::address::WebhookAddress;
use breakglass_agent::webhook::certs::{ServerNames, make_root};
use breakglass_agent::webhook::decisions;
use breakglass_agent::webhook::{self, WebhookHandle, WebhookSettings};
use breakglass_agent_core::abilities;
use breakglass_agent_core::ceiling::Ceiling;
use breakglass_agent_core::clock::Now;
use breakglass_agent_core::link::{Link, LinkConfig};
use breakglass_protocol::ids::ClusterName;
use breakglass_protocol::join_token::JoinToken;
use clap::Parser;
use prometheus_client::registry::Registry;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

/// What the link's task has for its last words.
const GOODBYE: Duration = Duration::from_secs(2);

fn main() -> ExitCode {
    // Before anything makes a TLS configuration: two providers in one process are a panic.
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .ok();
    die_whole();
    let args = Args::parse();
    let started = telemetry::start_logging(args.log_format, &args.log).and_then(|()| {
        // One thread: the agent waits nearly always, and the webhook has a thread of its own.
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("starting the runtime")?;
        runtime.block_on(run(args))
    });
    match started {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The log may be what failed to start.
            #[expect(
                clippy::print_stderr,
                reason = "the last word of a program that cannot run"
            )]
            {
                eprintln!("breakglass-agent: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}

/// A panic anywhere ends the whole program, which Kubernetes starts again from its journal: an agent without its webhook or
/// its loop would look alive and let nobody in, or end nothing.
fn die_whole() {
    let tell = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        tell(panic);
        std::process::abort();
    }));
}

async fn run(args: Args) -> anyhow::Result<()> {
    let stop = stop_on_signal()?;
    let clock = Clock::start();
    let ceiling = load_ceiling(&args)?;
    let proxy = Proxy::from_environment(|name| std::env::var(name).ok())?;
    let (health, counters) = start_health(&args).await?;
    let cluster = Cluster::connect().await.context(
        "finding the API server: neither KUBECONFIG nor the pod's ServiceAccount tells it",
    )?;
    let Some(identity) = stop
        .run_until_cancelled(identify(&args, &cluster, &proxy, clock, &health))
        .await
    else {
        return Ok(());
    };
    let identity = identity?;
    health.set_unready("loading the journal");
    let journal = Journal::new(cluster.clone(), &args.namespace, &identity.journal_key);
    // Of this process alone: it numbers the records of the audit log.
    let instance = uuid::Uuid::new_v4().to_string();
    let Restored {
        holdings,
        policies,
        recorder,
    } = Restored::load(&journal, &identity.cluster, ceiling, &instance, clock.now()).await?;
    let kubernetes_version = cluster.version().await.unwrap_or_else(|failure| {
        tracing::warn!(error = %failure.message, "the API server's version is not known");
        "unknown".to_owned()
    });
    let published = Arc::new(Published::default());
    let (told, decisions) = decisions::channel();
    let (webhook, webhook_ended) = webhook::spawn(WebhookSettings {
        listen: args.webhook_listen,
        keys: identity.webhook.clone(),
        names: ServerNames::unknown(),
        published: Arc::clone(&published),
        agent: args.own_name(),
        enforcement: args.enforcement.into(),
        decisions: told,
        clock,
        metrics: counters.webhook,
    })?;
    keep_address(&args, &cluster, &webhook, clock);
    health.set_unready("waiting for the watches");
    let metrics = counters.own;
    let namespaces = if holdings.ceiling().deny_policies {
        WatchNamespaces::Yes
    } else {
        WatchNamespaces::No
    };
    let sightings = cluster_watch::start(
        &cluster,
        &args.namespace,
        &args.config_map,
        namespaces,
        &metrics,
    );
    let link = Link::new(link_config(&identity, &instance));
    let (identity, identities) = watch::channel(identity);
    let link_settings = LinkSettings {
        identity: identities,
        proxy,
        metrics: counters.link,
        stop: CancellationToken::new(),
    };
    let parts = Parts {
        clock,
        cluster,
        namespace: args.namespace,
        journal,
        holdings,
        policies,
        decisions,
        recorder,
        link,
        identity,
        webhook: webhook.clone(),
        published,
        metrics,
        health,
        kubernetes_version,
        enforcement: args.enforcement.into(),
    };
    tokio::select! {
        () = talk(parts, sightings, link_settings, stop) => {}
        _ = webhook_ended => anyhow::bail!("the webhook's thread ended; the agent must be started anew"),
    }
    webhook.stop();
    tracing::info!("the agent has ended in good order");
    Ok(())
}

/// The link and the loop, until the loop ends and the link has said its last words.
async fn talk(
    parts: Parts,
    sightings: mpsc::Receiver<Sighting>,
    link: LinkSettings,
    stop: CancellationToken,
) {
    let link_stop = link.stop.clone();
    let (events, _state, task) = link::spawn(link);
    // Boxed: what the loop owns is too much for a stack frame.
    Box::pin(event_loop::run(parts, sightings, events, stop)).await;
    if tokio::time::timeout(GOODBYE, task).await.is_err() {
        link_stop.cancel();
    }
}

async fn start_health(args: &Args) -> anyhow::Result<(Health, Counters)> {
    let mut registry = Registry::default();
    let counters = Counters::register(&mut registry);
    let health = Health::new(registry);
    let listener = telemetry::bind_health(args.health_listen).await?;
    tokio::spawn(telemetry::serve_health(listener, health.clone()));
    Ok((health, counters))
}

/// SIGTERM and SIGINT end the agent in good order.
fn stop_on_signal() -> anyhow::Result<CancellationToken> {
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stopped = stop.clone();
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("asked to end");
        stopped.cancel();
    });
    Ok(stop)
}

fn load_ceiling(args: &Args) -> anyhow::Result<Ceiling> {
    let Some(path) = &args.ceiling_file else {
        return Ok(Ceiling::default());
    };
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("reading the ceiling from {}", path.display()))?;
    let ceiling: Ceiling = serde_saphyr::from_str(&text)
        .with_context(|| format!("the ceiling in {}", path.display()))?;
    ceiling.check()?;
    Ok(ceiling)
}

/// The stored identity, or a new one by a join token that was not used yet.
async fn identify(
    args: &Args,
    cluster: &Cluster,
    proxy: &Proxy,
    clock: Clock,
    health: &Health,
) -> anyhow::Result<Identity> {
    let mut pauses = Pauses::default();
    loop {
        let stored = journal::load_identity(cluster, &args.namespace).await?;
        let token = load_token(args, cluster).await?;
        let fresh = token.filter(|token| {
            stored
                .as_ref()
                .is_none_or(|known| known.token_id != token.id)
        });
        let Some(token) = fresh else {
            let identity = stored.context(
                "the agent has no identity yet: give it a join token from `bgctl cluster register NAME` (chart value join.secretName)",
            )?;
            return with_settings(args, identity);
        };
        check_cluster(args, &token.cluster)?;
        match enrol::enrol(&with_hub(args, token), proxy).await {
            Ok(enrolled) => {
                let identity = identity_of(enrolled, stored, clock.now())?;
                journal::save_identity(cluster, &args.namespace, &identity).await?;
                forget_token(args, cluster).await;
                tracing::info!(cluster = %identity.cluster, "enrolled");
                return Ok(identity);
            }
            // With an identity at hand, a token that was used before is no reason not to serve.
            Err(error) if stored.is_some() => {
                tracing::warn!(%error, "the join token was not redeemed; going on with the present identity");
                forget_token(args, cluster).await;
                return with_settings(args, stored.context("the identity went away")?);
            }
            Err(error) => {
                let pause = pauses.next(error.retry());
                tracing::error!(%error, ?pause, "enrolment failed");
                health.set_unready(format!("enrolment failed: {error}"));
                tokio::time::sleep(pause).await;
            }
        }
    }
}

async fn load_token(args: &Args, cluster: &Cluster) -> anyhow::Result<Option<JoinToken>> {
    let text = match (&args.join_token_secret, &args.join_token_file) {
        (Some(name), _) => journal::load_join_token(cluster, &args.namespace, name).await?,
        (None, Some(path)) => Some(
            std::fs::read_to_string(path)
                .with_context(|| format!("reading the join token from {}", path.display()))?,
        ),
        (None, None) => None,
    };
    let token = text.filter(|text| !text.trim().is_empty());
    Ok(token.as_deref().map(JoinToken::decode).transpose()?)
}

/// A used token is good for nothing, and its Secret would invite to think otherwise (S18).
async fn forget_token(args: &Args, cluster: &Cluster) {
    let Some(name) = &args.join_token_secret else {
        return;
    };
    if let Err(error) = journal::delete_join_token(cluster, &args.namespace, name).await {
        tracing::warn!(%error, "the used join token's Secret could not be deleted; delete it by hand");
    }
}

fn with_hub(args: &Args, mut token: JoinToken) -> JoinToken {
    if let Some(hub) = &args.hub {
        token.hub.clone_from(hub);
    }
    token
}

fn with_settings(args: &Args, mut identity: Identity) -> anyhow::Result<Identity> {
    check_cluster(args, identity.cluster.as_str())?;
    if let Some(hub) = &args.hub {
        identity.hub_address.clone_from(hub);
    }
    Ok(identity)
}

fn check_cluster(args: &Args, named: &str) -> anyhow::Result<()> {
    match &args.cluster {
        Some(wanted) if wanted != named => anyhow::bail!(
            "--cluster (BREAKGLASS_CLUSTER) says {wanted:?}, but the identity or join token is for {named:?}; use a token from `bgctl cluster register {wanted}`"
        ),
        Some(_) | None => Ok(()),
    }
}

/// What enrolment gave, with what the agent makes itself. A new enrolment keeps the webhook's root and the journal's
/// key: the API server trusts the one, and running sessions need the other.
fn identity_of(enrolled: Enrolled, before: Option<Identity>, now: Now) -> anyhow::Result<Identity> {
    let (webhook, journal_key, webhook_client_expires_at) = match before {
        Some(before) => (
            before.webhook,
            before.journal_key,
            before.webhook_client_expires_at,
        ),
        None => (make_root(now.wall)?, JournalKey::random(), None),
    };
    Ok(Identity {
        key_pem: enrolled.key_pem,
        certificate_pem: enrolled.certificate_pem,
        hub_ca_pem: enrolled.hub_ca_pem,
        hub_address: enrolled.hub_address,
        cluster: enrolled.cluster,
        token_id: enrolled.token_id,
        webhook,
        webhook_client_expires_at,
        journal_key,
    })
}

fn link_config(identity: &Identity, instance: &str) -> LinkConfig {
    LinkConfig {
        cluster: ClusterName::new(identity.cluster.as_str()),
        program_version: env!("CARGO_PKG_VERSION").to_owned(),
        instance: instance.to_owned(),
        features: abilities::features(),
    }
}

fn keep_address(args: &Args, cluster: &Cluster, webhook: &WebhookHandle, clock: Clock) {
    let address = WebhookAddress {
        services: kube::Api::namespaced(cluster.client().clone(), &args.namespace),
        service: args.webhook_service.clone(),
        address: args.webhook_address.clone(),
        clock,
    };
    tokio::spawn(address.keep(webhook.clone()));
}
