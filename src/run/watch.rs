//! `status --watch`: a look after each thing that happens, told line by line.
//!
//! An event only says that it is time to look: what is told comes from a fresh observation, so that what happened while
//! nobody could listen is found as well.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

use super::begin::Run;
use super::stop::Stop;
use super::unlock::Host;
use super::{status, unlock};
use crate::report::{Seen, Sight, Watched};
use crate::swarm::{Engine, Events};

/// Tasks of other nodes make no events here, and files none at all.
const REFRESH: Duration = Duration::from_secs(30);
/// Things that happen together are looked at once: when nothing more comes for so long,
const QUIET: Duration = Duration::from_millis(300);
/// but no later than this.
const LATEST: Duration = Duration::from_secs(2);
/// Between tries to reach an engine that went away: from the first, twice as long each time, to the second.
const AGAIN: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// Is told what is seen; false when nobody listens any more.
pub type Watcher<'a> = dyn FnMut(&Seen) -> bool + 'a;

/// A watch under way.
struct Watch<'r, 'o, 'h, 't> {
    run: &'r mut Run<'o>,
    host: Host<'h>,
    tell: &'t mut Watcher<'t>,
    before: Watched,
    /// When the last look began, nanoseconds since 1970.
    since: i128,
}

/// Nobody listens any more.
struct Unheard;

/// Tells until nobody listens. An engine that is not there at the start is an error; one that goes away is waited for.
pub(super) async fn watch<'t>(run: &mut Run<'_>, tell: &'t mut Watcher<'t>) -> Result<(), Stop> {
    let opened = run.open()?;
    let compiled = run.load(opened)?;
    let host = unlock::unlock(run, &compiled)?;
    let address = &compiled.manifest.engine.address;
    let mut engine = Engine::connect(address).await?;
    let mut watch = Watch { run, host, tell, before: Watched::default(), since: 0 };
    let first = watch.look(&engine).await?;
    if watch.tell(first).is_err() {
        return Ok(());
    }
    loop {
        let Err(lost) = watch.follow(&engine).await else { return Ok(()) };
        match watch.regain(address, &lost).await {
            Ok(again) => engine = again,
            Err(Unheard) => return Ok(()),
        }
    }
}

impl Watch<'_, '_, '_, '_> {
    /// Looks whenever something happens; ends when nobody listens, or with what keeps it from looking.
    async fn follow(&mut self, engine: &Engine) -> Result<(), Stop> {
        let mut events = engine.events(self.since);
        loop {
            if let Ok(happened) = timeout(REFRESH, events.next()).await {
                happened?;
                gather(&mut events).await?;
            }
            let sights = self.look(engine).await?;
            if self.tell(sights).is_err() {
                return Ok(());
            }
        }
    }

    async fn look(&mut self, engine: &Engine) -> Result<Vec<Sight>, Stop> {
        self.since = jiff::Timestamp::now().as_nanosecond();
        let observed = self.host.observe(engine, None).await?;
        status::compare(self.run, &mut self.host, &observed)?;
        let plan = &self.run.record.plan;
        let services = status::services(self.host.desired.compiled, &observed, plan);
        let after = Watched::new(services, plan);
        let sights = after.since(&self.before);
        self.before = after;
        Ok(sights)
    }

    fn tell(&mut self, sights: Vec<Sight>) -> Result<(), Unheard> {
        for sight in sights {
            let at = format!("{:.3}", jiff::Timestamp::now());
            if !(self.tell)(&Seen { at, sight }) {
                return Err(Unheard);
            }
        }
        Ok(())
    }

    /// Tries until the engine can be looked at again.
    async fn regain(&mut self, address: &str, lost: &Stop) -> Result<Engine, Unheard> {
        let mut said = lost.lines().join("; ");
        self.tell(vec![Sight::Lost { reason: said.clone() }])?;
        let mut pause = AGAIN.0;
        loop {
            sleep(pause).await;
            pause = (pause * 2).min(AGAIN.1);
            match self.reach(address).await {
                Ok((engine, sights)) => {
                    self.tell(vec![Sight::Back])?;
                    self.tell(sights)?;
                    return Ok(engine);
                }
                Err(lost) => {
                    let reason = lost.lines().join("; ");
                    if reason != said {
                        said.clone_from(&reason);
                        self.tell(vec![Sight::Lost { reason }])?;
                    }
                }
            }
        }
    }

    async fn reach(&mut self, address: &str) -> Result<(Engine, Vec<Sight>), Stop> {
        let engine = Engine::connect(address).await?;
        let sights = self.look(&engine).await?;
        Ok((engine, sights))
    }
}

/// Waits until what happens together has happened.
async fn gather(events: &mut Events) -> Result<(), Stop> {
    let latest = Instant::now() + LATEST;
    while Instant::now() < latest {
        match timeout(QUIET, events.next()).await {
            Ok(happened) => happened?,
            Err(_) => break,
        }
    }
    Ok(())
}
