//! What each command does, and what its end means to the shell.
//!
//! Errors of all stages arrive here and become one line on standard error, `driftd: what: why`, and
//! one of five codes (see [`Exit`]). Results go to standard output, all else to standard error.

use std::error::Error;
use std::future::Future;
use std::io::{self, Write};
use std::path::Path;

use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use crate::app::{self, AppError};
use crate::cli::{
    Build, Check, Command, Demo, Diff, ExitNow, Export, Journal, JournalExport, JournalVerify,
    PowerFormat, Reference, Serve, Show,
};
use crate::clock::Clock;
use crate::config::{self, Config, Overrides, Problems};
use crate::demo::{self, DemoError};
use crate::journal::inspect::{self, InspectError};
use crate::power::{self, Traffic};
use crate::reference::build::{self, BuildRequest, Terminal};
use crate::reference::{artifact, show, zone};
use crate::replay::{self, ReplayError};
use crate::telemetry::{self, Exit, error_chain};

mod export;

/// Why a command failed, by what the shell is told.
#[derive(Debug)]
struct Failure {
    exit: Exit,
    text: String,
}

impl Failure {
    fn new(exit: Exit, error: &dyn Error) -> Self {
        Self {
            exit,
            text: error_chain(error),
        }
    }
}

/// Runs a command to its end.
pub fn run(command: Command, clock: Clock) -> Exit {
    let ended = match command {
        Command::Serve(serve) => self::serve(&serve, clock),
        Command::Demo(demo) => self::demo(&demo, clock),
        Command::Check(check) => self::check(&check),
        Command::Reference(Reference::Build(build)) => self::build(*build, clock),
        Command::Reference(Reference::Show(show)) => self::show(&show),
        Command::Reference(Reference::Diff(diff)) => self::diff(&diff),
        Command::Reference(Reference::Export(export)) => self::export(&export, clock),
        Command::Replay(replay) => self::replay(&replay),
        Command::Power(power) => self::power(power),
        Command::Journal(Journal::Export(export)) => journal_export(&export),
        Command::Journal(Journal::Verify(verify)) => journal_verify(&verify),
        Command::Completions(completions) => print(&completions.script()),
    };
    match ended {
        Ok(()) => Exit::Ok,
        Err(Failure { exit, text }) => {
            let _nobody_reads = writeln!(io::stderr(), "driftd: {text}");
            exit
        }
    }
}

/// Says what is to be said and ends.
pub fn end(now: &ExitNow) -> Exit {
    let _nobody_reads = match now.exit {
        Exit::Ok => write!(io::stdout(), "{}", now.text),
        _ => write!(io::stderr(), "{}", now.text),
    };
    now.exit
}

fn serve(serve: &Serve, clock: Clock) -> Result<(), Failure> {
    let config = load(serve.config.as_deref(), &serve.overrides())?;
    telemetry::init(&config.log).map_err(|error| Failure::new(Exit::Usage, &error))?;
    runtime()?.block_on(async {
        app::serve(config, clock, stopped()?, |_running| {})
            .await
            .map_err(|error| app_failure(&error))
    })
}

fn demo(demo: &Demo, clock: Clock) -> Result<(), Failure> {
    runtime()?.block_on(async {
        demo::run(Some(demo.listen.clone()), clock, stopped()?)
            .await
            .map_err(|error| match error {
                DemoError::App(error) => app_failure(&error),
                DemoError::Config(problems) => problems_failure(&problems),
                error => Failure::new(Exit::Fault, &error),
            })
    })
}

fn check(check: &Check) -> Result<(), Failure> {
    let config = load(check.config.as_deref(), &Overrides::default())?;
    if check.connect {
        runtime()?
            .block_on(app::check(config))
            .map_err(|error| app_failure(&error))?;
        return print(b"configuration ok, everything it names is there\n");
    }
    print(b"configuration ok\n")
}

fn build(build: Build, clock: Clock) -> Result<(), Failure> {
    let output = build.output.clone();
    let request = BuildRequest {
        model: build.model,
        version: build.version,
        role: build.role,
        time_column: build.time_column,
        ignore: build.ignore,
        prediction: build.prediction,
        layout_from: build.layout_from,
        timezone: build.timezone,
        exclude: build
            .exclude
            .into_iter()
            .map(|span| (span.from, span.to))
            .collect(),
        private: build.private,
        importances: build.importances,
        created_at: Some(clock.now()),
        inputs: build.inputs,
    };
    let built = build::build(&request, &Terminal::new());
    let reference = built.map_err(|error| Failure::new(Exit::BadInput, &error))?;
    write(&output, &artifact::to_bytes(&reference))?;
    print(format!("{}\n", reference.digest()).as_bytes())
}

fn show(show: &Show) -> Result<(), Failure> {
    let reference = read(&show.reference)?;
    if show.json {
        return print(format!("{:#}\n", show::show_json(&reference)).as_bytes());
    }
    print(show::show(&reference).as_bytes())
}

fn diff(diff: &Diff) -> Result<(), Failure> {
    print(show::diff(&read(&diff.a)?, &read(&diff.b)?).as_bytes())
}

fn export(export: &Export, clock: Clock) -> Result<(), Failure> {
    let config = load(export.config.as_deref(), &Overrides::default())?;
    let bytes = export::export(export, &config, clock)
        .map_err(|error| Failure::new(Exit::Unavailable, &error))?;
    write(&export.output, &bytes)
}

fn replay(replay: &crate::cli::Replay) -> Result<(), Failure> {
    let reference = read(&replay.reference)?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let replayed = replay::replay(&reference, replay, &Terminal::new(), &mut out);
    replayed.map_err(|error| match error {
        ReplayError::Output(ref source) if source.kind() == io::ErrorKind::BrokenPipe => Failure {
            exit: Exit::Ok,
            text: String::new(),
        },
        error => Failure::new(Exit::BadInput, &error),
    })
}

fn power(asked: crate::cli::Power) -> Result<(), Failure> {
    let mut windows = asked.windows;
    windows.sort_unstable();
    windows.dedup();
    let traffic = Traffic {
        rows_per_hour: asked.rows_per_hour,
        false_alarms_per_month: asked.false_alarms_per_month,
        windows,
    };
    let found = power::power(read(&asked.reference)?, traffic, zone::offsets);
    let text = match asked.format {
        PowerFormat::Table => power::show::show(&found),
        PowerFormat::Jsonl => power::show::show_jsonl(&found),
    };
    print(text.as_bytes())
}

fn journal_export(export: &JournalExport) -> Result<(), Failure> {
    let config = load(export.config.as_deref(), &Overrides::default())?;
    let mut out = io::BufWriter::new(io::stdout().lock());
    let exported = inspect::export(&config.state, &config.kafka, &mut out);
    exported
        .and_then(|()| Ok(out.flush()?))
        .or_else(|error| match error {
            InspectError::Output(ref source) if source.kind() == io::ErrorKind::BrokenPipe => {
                Ok(())
            }
            error => Err(inspect_failure(&error)),
        })
}

fn journal_verify(verify: &JournalVerify) -> Result<(), Failure> {
    let verdict = if let Some(file) = &verify.file {
        // bad input whatever is wrong with it, as any file that is given to a command
        inspect::verify_file(file).map_err(|error| Failure::new(Exit::BadInput, &error))
    } else {
        let config = load(verify.config.as_deref(), &Overrides::default())?;
        inspect::verify(&config.state, &config.kafka).map_err(|error| inspect_failure(&error))
    };
    print(format!("{}\n", verdict?).as_bytes())
}

/// A journal that is broken is bad input; one that is out of reach is not there.
fn inspect_failure(error: &InspectError) -> Failure {
    let exit = match error {
        InspectError::Audit { .. } => Exit::BadInput,
        InspectError::Read { .. } | InspectError::Kafka(_) | InspectError::Output(_) => {
            Exit::Unavailable
        }
    };
    Failure::new(exit, error)
}

fn read(path: &Path) -> Result<crate::reference::Reference, Failure> {
    let named = |text: String| Failure {
        exit: Exit::BadInput,
        text: format!("{} cannot be read: {text}", path.display()),
    };
    let bytes = std::fs::read(path).map_err(|error| named(error.to_string()))?;
    artifact::from_bytes(&bytes).map_err(|error| named(error_chain(&error)))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    write_whole(path, bytes).map_err(|source| Failure {
        exit: Exit::Unavailable,
        text: format!("cannot write {}: {source}", path.display()),
    })
}

/// Writes a file so that a reader sees all of it or none.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => dir,
        _ => Path::new("."),
    };
    let mut file = tempfile::NamedTempFile::new_in(dir)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

fn load(path: Option<&Path>, overrides: &Overrides) -> Result<Config, Failure> {
    config::load(path, config::environment(), overrides)
        .map_err(|problems| problems_failure(&problems))
}

/// What the error of the daemon means to the shell.
fn app_failure(error: &AppError) -> Failure {
    Failure::new(error.exit(), error)
}

fn problems_failure(problems: &Problems) -> Failure {
    Failure {
        exit: Exit::Usage,
        text: problems.to_string(),
    }
}

fn print(bytes: &[u8]) -> Result<(), Failure> {
    match io::stdout().write_all(bytes) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Failure::new(Exit::Unavailable, &error))
        }
        _ => Ok(()),
    }
}

fn runtime() -> Result<Runtime, Failure> {
    Runtime::new().map_err(|error| Failure::new(Exit::Unavailable, &error))
}

/// Done when the process is asked to stop.
fn stopped() -> Result<impl Future<Output = ()>, Failure> {
    let failed = |error: io::Error| Failure::new(Exit::Fault, &error);
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}
