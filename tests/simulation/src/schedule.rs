//! One schedule from its beginning to its end: the steps, then quiet, then the checks.
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use local::simulator::{InboxMessage, Scenario};
use shared::model::account::{PersonName, User};
use shared::store::users::Users;
use tokio::time::sleep;

use crate::accounts::{self, Who};
use crate::bench::Bench;
use crate::bridges;
use crate::chats::{self, Text};
use crate::checks;
use crate::facts::Facts;
use crate::hooks;
use crate::looks;
use crate::mask::{FaultId, Mask};
use crate::people;
use crate::plan::{Act, Plan, Step, session_name};
use crate::shop;
use crate::stage::Stage;
use crate::universe::{Story, Universe};

/// Processes of the quiet time after the steps have numbers from this one on.
const QUIET: u32 = 50_000;
/// The look before the accounts are locked.
const LOCK: u32 = 49_999;

/// A schedule on its way.
pub struct Schedule {
    /// What it knows of itself.
    pub universe: Arc<Universe>,
    /// The system.
    pub stage: Arc<Stage>,
    /// How it was planned.
    pub plan: Plan,
    facts: Mutex<Facts>,
}

/// What became of a schedule.
#[derive(Clone, Debug)]
pub struct Report {
    /// Its seed.
    pub seed: u64,
    /// The same for the same schedule.
    pub hash: u64,
    /// What is wrong.
    pub wrong: Vec<String>,
    /// The faults that happened.
    pub faults: BTreeSet<FaultId>,
    /// The steps that were done.
    pub steps: Vec<u32>,
    /// What happened, if that was kept.
    pub story: Vec<String>,
}

impl Schedule {
    /// What clients know.
    pub fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What all phones show.
    pub fn messages(&self) -> Vec<InboxMessage> {
        self.stage.gateways[0].messages(None)
    }

    /// The codes on somebody's phone, the newest last.
    pub fn codes_on(&self, person: u32) -> Vec<String> {
        let messages = self.stage.gateways[0].messages(Some(&people::phone(person)));
        let codes = messages
            .iter()
            .filter_map(|message| people::code_in(&message.text));
        codes.map(str::to_owned).collect()
    }

    /// Whether a request was made when all was well again.
    pub const fn is_last_request(&self, process: u32) -> bool {
        process >= QUIET
    }

    /// How many processes that worked on somebody's request died since a time: what they sent, nobody knows.
    pub fn died_asking(&self, person: u32, since: Duration) -> usize {
        let facts = self.facts();
        let asked = facts.asked.iter().filter(|asked| asked.person == person);
        asked
            .filter(|asked| asked.status == 0 && asked.done >= since)
            .count()
    }

    /// The processes that were frozen for a while.
    pub fn frozen(&self) -> BTreeSet<u32> {
        let ledger = self.universe.ledger();
        let frozen = ledger.served.iter().filter(|served| served.frozen);
        frozen.map(|served| served.process).collect()
    }

    /// Whether a person has an account from the beginning.
    pub const fn has_account(&self, person: u32) -> bool {
        person + 1 != self.plan.world.people
    }
}

/// Runs the schedule of a seed.
///
/// # Panics
/// When the database or the runtime fails, which is a defect of the simulation.
pub fn run(bench: &Bench, seed: u64, mask: &Mask, story: Story) -> Report {
    bench.reset().expect("an empty database");
    // The SDK draws its retries' jitter from this.
    fastrand::seed(seed);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime");
    let mut plan = Plan::of(seed);
    plan.steps.retain(|step| !mask.steps.contains(&step.number));
    runtime.block_on(async {
        let universe = Arc::new(Universe::new(seed, mask.clone(), plan.odds, story));
        let stage = Arc::new(Stage::new(bench, &universe, &plan.world));
        let schedule = Arc::new(Schedule {
            universe: Arc::clone(&universe),
            stage,
            plan,
            facts: Mutex::default(),
        });
        schedule.add_people().await;
        if schedule.plan.world.webhooks {
            hooks::set(&schedule);
        }
        schedule.lock().await;
        let world = &schedule.plan.world;
        let minutes = world
            .is_watched
            .then(|| tokio::spawn(looks::each_minute(Arc::clone(&schedule))));
        schedule.do_steps().await;
        if let Some(minutes) = minutes {
            minutes.abort();
        }
        schedule.calm_down(bench).await;
        let mut wrong = std::mem::take(&mut universe.ledger().wrong);
        wrong.extend(checks::all(&schedule, bench));
        Report {
            seed,
            hash: universe.hash(),
            wrong,
            faults: universe.faults(),
            steps: schedule.plan.steps.iter().map(|step| step.number).collect(),
            story: universe.story(),
        }
    })
}

impl Schedule {
    async fn add_people(&self) {
        let users = Users::new(self.stage.backends());
        let newcomer = self.plan.world.is_locked.then(|| self.newcomer());
        let people = (0..self.plan.world.people).filter(|person| self.has_account(*person));
        for person in people.chain(newcomer) {
            let user = User {
                id: format!("user-{person}"),
                phone: people::phone(person),
                name: PersonName::parse("Siti").expect("a name"),
                email: None,
                wanted_email: None,
                password: None,
                ver: 1,
                role: "user".into(),
                created_at: self.stage.now(),
            };
            assert!(users.add(&user).await.expect("the table"), "a new user");
        }
    }

    /// WhatsApp lets no account write to anybody new, and the monitor has seen the sessions, whose numbers are then known.
    async fn lock(self: &Arc<Self>) {
        if self.plan.world.is_locked {
            looks::look(self, LOCK).await;
            self.play_lock();
        }
    }

    fn play_lock(&self) {
        for gateway in &self.stage.gateways {
            gateway.play(&Scenario::ColdLocked {
                code: 463,
                refusals: None,
            });
        }
    }

    async fn do_steps(self: &Arc<Self>) {
        let mut under_way = Vec::new();
        for step in self.plan.steps.clone() {
            sleep(step.at.saturating_sub(self.universe.time())).await;
            let schedule = Arc::clone(self);
            under_way.push(tokio::spawn(async move { schedule.do_step(step).await }));
        }
        for step in under_way {
            step.await.expect("a step");
        }
    }

    async fn do_step(self: &Arc<Self>, step: Step) {
        let number = step.number;
        match step.act {
            Act::AskCode {
                person,
                reset,
                address,
            } => people::ask_code(self, number, person, reset, address).await,
            Act::AskAgain { person, address } => {
                people::ask_again(self, number, person, address).await;
            }
            Act::Guess {
                person,
                guess,
                times,
            } => people::guess(self, number, person, guess, times).await,
            Act::Break {
                gateway,
                session,
                scenario,
            } => {
                let of = session.map(|session| session_name(gateway as u8 + 1, session));
                let of_whom = of.as_deref().unwrap_or("all");
                self.universe
                    .note(number, format_args!("{scenario:?} of {of_whom}"));
                let gateway = &self.stage.gateways[gateway];
                match of {
                    Some(session) => gateway.play_on(&session, &scenario).expect("a session"),
                    None => gateway.play(&scenario),
                }
            }
            Act::Tell {
                payment,
                event,
                waits,
                also,
            } => {
                let first = shop::tell(self, number, (payment, event), waits);
                let second = async {
                    if let Some((event, later)) = also {
                        sleep(later).await;
                        shop::tell(self, number + 2_000, (payment, event), true).await;
                    }
                };
                tokio::join!(first, second);
            }
            Act::Refresh { person, times } => accounts::refresh(self, number, person, times).await,
            Act::SignUp(who) => accounts::sign_up(self, number, self.last_person(), who).await,
            Act::Confirm(who) => accounts::confirm(self, number, self.last_person(), who).await,
            Act::SignIn(who) => {
                let password = (who, who.password());
                accounts::sign_in(self, number, self.last_person(), password).await;
            }
            Act::SetPassword { person } => accounts::set_password(self, number, person).await,
            Act::Heal => self.heal(number),
            Act::Post {
                payment,
                post,
                also,
                twice,
            } => {
                let first = bridges::post(self, number, (payment, post));
                let again = async {
                    if twice {
                        bridges::post(self, number + 4_000, (payment, post)).await;
                    }
                };
                let second = async {
                    if let Some((post, later)) = also {
                        sleep(later).await;
                        bridges::post(self, number + 2_000, (payment, post)).await;
                    }
                };
                tokio::join!(first, again, second);
            }
            Act::Write { person, text } => chats::write(self, number, (person, text)).await,
            Act::Deliver => self.stage.tick(number, "outbox-deliver").await,
            Act::Watch => looks::look(self, number).await,
        }
    }

    /// Who has no account at the beginning.
    const fn last_person(&self) -> u32 {
        self.plan.world.people - 1
    }

    fn heal(&self, number: u32) {
        self.universe
            .note(number, format_args!("all gateways are well"));
        for gateway in &self.stage.gateways {
            gateway.play(&Scenario::Healthy);
            let each_ms = self.plan.world.send.as_millis() as u64;
            gateway.play(&Scenario::SendQueue { each_ms });
        }
    }

    /// Nothing goes wrong any more, until everything that was begun has come to its end; then everybody gets a code.
    async fn calm_down(self: &Arc<Self>, bench: &Bench) {
        self.universe.calm_down();
        self.heal(QUIET);
        // Whoever is frozen wakes, leases pass, and the gateways send what is still in their queues.
        let waits: &[u64] = if self.plan.world.is_long {
            &[5, 11]
        } else {
            &[16]
        };
        for (number, minutes) in (0..).zip(waits) {
            sleep(Duration::from_secs(60 * minutes)).await;
            self.heal(QUIET);
            self.stage
                .tick(QUIET + 10 + number, "session-monitor")
                .await;
        }
        for person in 0..self.plan.world.people {
            let number = QUIET + 100 + person;
            people::ask_code(self, number, person, false, 0).await;
            // Whoever asks first may be the one who finds out that all is well.
            if person == 0 && !self.has_code(number) {
                sleep(Duration::from_secs(65)).await;
                people::ask_code(self, number + 10, person, false, 0).await;
            }
        }
        sleep(Duration::from_secs(10)).await;
        self.sign_in_with_passwords().await;
        bridges::post_the_rest(self, QUIET + 300).await;
        self.deliver_the_rest(bench).await;
        if self.plan.world.is_locked {
            self.open_a_chat().await;
        }
        if self.plan.world.is_watched {
            self.look_once_more().await;
        }
    }

    /// Whoever was never written to gets a code as the answer to what they write, while the accounts are locked.
    async fn open_a_chat(self: &Arc<Self>) {
        let newcomer = self.newcomer();
        self.play_lock();
        let number = QUIET + 400;
        people::ask_code(self, number, newcomer, false, 5).await;
        // The first refusal may be what shows that the account is locked.
        sleep(Duration::from_secs(65)).await;
        people::ask_code(self, number + 1, newcomer, false, 5).await;
        // The word is worth nothing to anybody else, and nothing any more once it is answered.
        chats::write(self, number + 4, (0, Text::OfOthers)).await;
        sleep(Duration::from_secs(15)).await;
        chats::write(self, number + 2, (newcomer, Text::Asked)).await;
        sleep(Duration::from_secs(15)).await;
        people::guess_newest(self, number + 3, newcomer).await;
        sleep(Duration::from_secs(65)).await;
        chats::write(self, number + 5, (newcomer, Text::Asked)).await;
        sleep(Duration::from_secs(15)).await;
    }

    /// Whom nobody has written to before the end.
    pub const fn newcomer(&self) -> u32 {
        self.plan.world.people
    }

    /// The monitor looks each minute, while no session can send and once all is well again; then the system says how it is.
    async fn look_once_more(self: &Arc<Self>) {
        let outage = &self.plan.world.outage_at_the_end;
        self.universe.note(QUIET, format_args!("{outage:?} of all"));
        for gateway in &self.stage.gateways {
            gateway.play(outage);
        }
        for number in 0..4 {
            looks::look(self, QUIET + 520 + number).await;
            sleep(Duration::from_secs(60)).await;
        }
        self.heal(QUIET);
        for number in 0..3 {
            looks::look(self, QUIET + 500 + number).await;
            sleep(Duration::from_secs(60)).await;
        }
        looks::ask_status(self, QUIET + 510).await;
    }

    /// Whoever has set a password signs in with it, and whoever has tried a stranger's does so again.
    async fn sign_in_with_passwords(self: &Arc<Self>) {
        let (owners, strangers): (BTreeSet<_>, BTreeSet<_>) = {
            let facts = self.facts();
            let confirmed = facts.confirmed.iter().filter(|one| one.status == 200);
            let strangers = facts
                .signed_up
                .iter()
                .filter(|one| one.who == Who::Stranger);
            (
                confirmed.map(|one| one.person).collect(),
                strangers.map(|one| one.person).collect(),
            )
        };
        let owners = owners.into_iter().flat_map(|person| {
            [Who::Owner.password(), accounts::NEW_PASSWORD].map(|word| (person, (Who::Owner, word)))
        });
        let strangers = strangers
            .into_iter()
            .map(|person| (person, (Who::Stranger, Who::Stranger.password())));
        for (number, (person, password)) in (QUIET + 150..).zip(owners.chain(strangers)) {
            accounts::sign_in(self, number, person, password).await;
        }
    }

    fn has_code(&self, process: u32) -> bool {
        let facts = self.facts();
        let mut asked = facts.asked.iter().rev();
        let asked = asked.find(|asked| asked.process == process);
        asked.is_some_and(|asked| asked.delivery.as_deref() == Some("sent"))
    }

    /// The schedule delivers notices until none is left to be sent.
    async fn deliver_the_rest(self: &Arc<Self>, bench: &Bench) {
        for number in 0..30 {
            let items = bench.items("PaymentsTable").expect("the table");
            if items.iter().all(|item| item["due_at"].is_null()) {
                return;
            }
            self.stage
                .tick(QUIET + 200 + number, "outbox-deliver")
                .await;
            // The waits between attempts grow to an hour.
            let minutes = if number < 10 { 3 } else { 60 };
            sleep(Duration::from_secs(60 * minutes)).await;
        }
    }
}
