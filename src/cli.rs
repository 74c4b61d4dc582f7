//! The command line of the one program.

use std::{
    error::Error,
    net::IpAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

use clap::{Args, Parser, Subcommand};

use crate::{
    app::{self, StartError},
    auth::{
        self,
        jwt::{Grant, Jwt},
        keys::{Generated, Scope},
        secret::Secret,
    },
    bench::{self, BenchArgs},
    clock::{Clock, SystemClock},
    cluster::{self, ClusterArgs, ClusterError, Outside},
    doctor,
    import::{self, Plan},
    probe,
    protocol::{ids::Millis, user::Role},
    settings::{
        Settings,
        environment::{self, Environment, Given},
        load::{self, SettingsError, Sources},
        server::RESERVED_FILES,
    },
    telemetry::{self, LogFormat},
};

/// Exit code of a start that the settings or the command line forbid (PROTOCOL section 6).
const BAD_SETTINGS: u8 = 2;

/// How long a JWT of `hubbub token` is good when not said: an hour.
const DEFAULT_TTL: &str = "3600";

/// A chat server that never loses an acked message.
#[derive(Debug, Parser)]
#[command(version, about, args_conflicts_with_subcommands = true)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    serve: ServeArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the server; this is what happens without a command.
    Serve(ServeArgs),
    /// Load the settings as `serve` would, and print them as TOML with secrets masked.
    CheckConfig(SettingsArgs),
    /// Carry what a server kept that stood alone into Redis: accounts, bans, read markers, and the logs of rooms.
    Import(ImportArgs),
    /// Look at the settings, this machine, Redis and nginx, and say what is wrong and what to do. Exits with 1 when
    /// something does not work.
    Doctor(DoctorArgs),
    /// Make an API key, or sign a JWT with JWT_SECRET.
    Token(TokenArgs),
    /// Ask the server that these settings start how it is, as a container's health check does.
    Health(HealthArgs),
    /// Run several replicas of this program on this machine, with the Redis they share and nginx before them.
    Cluster(ClusterArgs),
    /// Measure this program under load.
    Bench(BenchArgs),
}

/// Flags of the settings.
#[derive(Clone, Debug, Default, Args)]
struct SettingsArgs {
    /// A settings file; repeat it for several, of which the later wins. `config/hubbub.toml` is read before, if there.
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
    /// The address to listen on.
    #[arg(long)]
    host: Option<IpAddr>,
    /// The port: a number, 0 for any that is free, or `auto`.
    #[arg(long)]
    port: Option<String>,
    /// The name of this instance among its peers.
    #[arg(long, value_name = "ID")]
    instance_id: Option<String>,
    /// Serve the web client from this folder.
    #[arg(long, value_name = "DIR")]
    static_dir: Option<String>,
    /// How the log is written.
    #[arg(long, value_enum)]
    log_format: Option<LogFormat>,
}

/// Flags of `serve`.
#[derive(Clone, Debug, Default, Args)]
struct ServeArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// Give every room's log a new life: after restoring a backup, whose numbers clients may have seen past.
    #[arg(long)]
    new_epoch: bool,
}

/// What to carry over.
#[derive(Debug, Args)]
struct ImportArgs {
    /// The file of the server, which must have stopped: data/hubbub.db, if nothing else was set.
    file: PathBuf,
    /// Where Redis is, if neither the environment (REDIS_URL) nor a settings file says it.
    #[arg(long, value_name = "URL")]
    redis_url: Option<String>,
    /// Replace accounts whose name is taken in Redis.
    #[arg(long)]
    replace: bool,
    /// A settings file, as for `serve`.
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
}

/// What to look at.
#[derive(Debug, Args)]
struct DoctorArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// A configuration of nginx to read too; repeat it for several.
    #[arg(long, value_name = "FILE")]
    nginx: Vec<PathBuf>,
    /// Redis as somebody who may use CONFIG, which Hubbub's own user may not: for settings that only an administrator sees.
    #[arg(long, value_name = "URL", env = "REDIS_ADMIN_URL", hide_env_values = true)]
    redis_admin_url: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What to make.
#[derive(Debug, Args)]
struct TokenArgs {
    /// Make an API key of this name, and show what to add to the settings.
    #[arg(long, value_name = "NAME", required_unless_present = "jwt", conflicts_with = "jwt")]
    api_key: Option<String>,
    /// What the key opens; repeat it for several. `read` when not said.
    #[arg(long, value_parser = parse_scope, requires = "api_key")]
    scope: Vec<Scope>,
    /// Sign a JWT for this subject.
    #[arg(long, value_name = "SUB")]
    jwt: Option<String>,
    /// The name others see; the subject when not said.
    #[arg(long, requires = "jwt")]
    name: Option<String>,
    /// What the subject may do: guest, member or admin.
    #[arg(long, value_parser = parse_role, default_value = "member")]
    role: Role,
    /// How many seconds the JWT is good.
    #[arg(long, value_name = "SECONDS", default_value = DEFAULT_TTL)]
    ttl: u32,
    /// A settings file that holds `auth.jwt_secret`, if the environment does not.
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
}

/// Whom to ask.
#[derive(Debug, Args)]
struct HealthArgs {
    /// The address, if it is not this machine at the port of the settings; without a path /health is asked.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Ask again for so many seconds until it is well: after a start.
    #[arg(long, value_name = "SECONDS", default_value = "0")]
    wait: u32,
    /// A settings file, as for `serve`.
    #[arg(long, value_name = "FILE")]
    config: Vec<PathBuf>,
}

/// Why a command failed; the sentence goes to standard error.
#[derive(Debug, thiserror::Error)]
enum Failure {
    /// The settings or arguments are wrong: exit 2.
    #[error("{0}")]
    Settings(#[from] SettingsError),
    /// The server did not start: exit 2 for what the operator set, 1 for anything else.
    #[error("{0}")]
    Start(#[from] StartError),
    /// Not all was carried over: exit 2 for what the operator gave, 1 for anything else.
    #[error("{0}")]
    Import(#[from] import::Failure),
    /// The cluster is not as it was asked to be: exit 2 for what the operator gave or lacks, 1 for anything else.
    #[error("{0}")]
    Cluster(#[from] ClusterError),
    /// Anything else: exit 1.
    #[error("{0}")]
    Other(#[from] Box<dyn Error>),
}

impl Failure {
    fn exit_code(&self) -> ExitCode {
        match self {
            Failure::Settings(_) => ExitCode::from(BAD_SETTINGS),
            Failure::Start(error) if error.is_operators() => ExitCode::from(BAD_SETTINGS),
            Failure::Import(error) if error.is_operators() => ExitCode::from(BAD_SETTINGS),
            Failure::Cluster(error) if error.is_operators() => ExitCode::from(BAD_SETTINGS),
            Failure::Start(_) | Failure::Import(_) | Failure::Cluster(_) | Failure::Other(_) => ExitCode::FAILURE,
        }
    }
}

/// Reads the command line and does what it says; `serve` runs until the server has stopped.
pub fn run() -> ExitCode {
    let Cli { command, serve } = Cli::parse();
    let done = match command.unwrap_or(Command::Serve(serve)) {
        Command::Serve(args) => start(args),
        Command::CheckConfig(args) => check_config(args),
        Command::Import(args) => import(args),
        Command::Doctor(args) => examine(args),
        Command::Token(args) => token(args),
        Command::Health(args) => health(args),
        Command::Cluster(args) => {
            let given = environment::settings(&environment::of_process());
            cluster::run(&args, Outside { given, identity }).map_err(Failure::from)
        }
        Command::Bench(args) => bench::run(&args).map_err(|error| Failure::Other(error.into())),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("hubbub: {failure}");
            failure.exit_code()
        }
    }
}

fn start(args: ServeArgs) -> Result<(), Failure> {
    let settings = load(args.settings)?;
    telemetry::init(&settings.log).map_err(Box::from)?;
    Ok(app::serve(&settings, args.new_epoch)?)
}

fn check_config(args: SettingsArgs) -> Result<(), Failure> {
    print!("{}", load(args)?.to_toml().map_err(SettingsError::from)?);
    Ok(())
}

fn load(args: SettingsArgs) -> Result<Settings, SettingsError> {
    load_with(args.flags(), args.config)
}

fn load_with(flags: Vec<Given>, files: Vec<PathBuf>) -> Result<Settings, SettingsError> {
    load::load(&Sources {
        usual_file: Some(load::USUAL_FILE.into()),
        environment: environment::of_process(),
        flags,
        files,
    })
}

/// What the settings of a server say of identity; nothing if they are wrong, which it will say itself.
fn identity(folder: &Path, environment: &Environment) -> auth::config::Config {
    let usual_file = Some(folder.join(load::USUAL_FILE));
    let sources = Sources { usual_file, environment: environment.clone(), ..Sources::default() };
    load::load(&sources).unwrap_or_default().auth
}

fn import(args: ImportArgs) -> Result<(), Failure> {
    let url = args.redis_url.map(|url| Given::new("distributed.redis_url", url, "--redis-url"));
    let settings = load_with(url.into_iter().collect(), args.config)?;
    telemetry::init(&settings.log).map_err(Box::from)?;
    let redis_url = settings.distributed.need_url().map_err(SettingsError::from)?.clone();
    let Settings { redis, history, .. } = settings;
    let summary = import::run(&Plan { file: args.file, redis_url, redis, history, replace: args.replace })?;
    print!("{summary}");
    Ok(())
}

fn examine(args: DoctorArgs) -> Result<(), Failure> {
    let settings = load(args.settings)?;
    let server = &settings.server;
    let admin_url = args.redis_admin_url.filter(|url| !url.is_empty()).map(Secret::new);
    let redis = Secret::given(settings.distributed.redis_url.as_ref()).map(|url| doctor::RedisPlan {
        url: url.clone(),
        admin_url,
        config: settings.redis.clone(),
        instance_ttl_ms: settings.distributed.instance_ttl_ms,
    });
    let report = doctor::run(&doctor::Plan {
        host: server.host,
        ports: server.ports(),
        max_sessions: server.max_sessions,
        reserved_files: RESERVED_FILES,
        heartbeat_ms: settings.heartbeat.interval_ms,
        store: settings.store.path.clone(),
        distributed: settings.distributed.enabled,
        redis,
        nginx: args.nginx,
        auth: settings.auth,
    });
    let report = report.map_err(Box::<dyn Error>::from)?;
    if args.json {
        println!("{:#}", report.to_json());
    } else {
        print!("{report}");
    }
    match report.count(doctor::Level::Fail) {
        0 => Ok(()),
        failed => Err(Failure::Other(format!("the doctor found what does not work: {failed}").into())),
    }
}

impl SettingsArgs {
    fn flags(&self) -> Vec<Given> {
        let log_format = self.log_format.map(|format| match format {
            LogFormat::Text => "text".to_owned(),
            LogFormat::Json => "json".to_owned(),
        });
        let flags = [
            ("server.host", self.host.map(|host| host.to_string()), "--host"),
            ("server.port", self.port.clone(), "--port"),
            ("server.instance_id", self.instance_id.clone(), "--instance-id"),
            ("server.static_dir", self.static_dir.clone(), "--static-dir"),
            ("log.format", log_format, "--log-format"),
        ];
        flags.into_iter().filter_map(|(key, text, flag)| Some(Given::new(key, text?, flag))).collect()
    }
}

fn token(args: TokenArgs) -> Result<(), Failure> {
    if let Some(name) = &args.api_key {
        let scopes = if args.scope.is_empty() { vec![Scope::Read] } else { args.scope };
        let made = Generated::new(name, &scopes).map_err(SettingsError::from)?;
        println!("# The key, shown once:\n{}\n\n# Add to the settings:\n{}", made.key, made.toml());
        return Ok(());
    }
    let Some(sub) = args.jwt else { return Ok(()) };
    let settings = load(SettingsArgs { config: args.config, ..SettingsArgs::default() })?;
    let jwt = Jwt::new(settings.auth.jwt_secret.as_ref()).map_err(SettingsError::from)?;
    let expires_ms = SystemClock.now_ms() + Millis::from(args.ttl) * 1_000;
    let grant = Grant { sub, name: args.name, role: args.role, expires_ms };
    println!("{}", jwt.sign(&grant).map_err(Box::<dyn Error>::from)?);
    Ok(())
}

/// Prints what `/health` says; fails unless the status is 200 within the time.
fn health(args: HealthArgs) -> Result<(), Failure> {
    let url = match args.url {
        Some(url) => url,
        None => load_with(Vec::new(), args.config)?.server.local_url().map_err(SettingsError::from)?,
    };
    let answer = probe::wait(&url, Duration::from_secs(args.wait.into())).map_err(Box::<dyn Error>::from)?;
    println!("{answer}");
    Ok(())
}

fn parse_scope(name: &str) -> Result<Scope, String> {
    let scopes = [Scope::Metrics, Scope::Read, Scope::Post, Scope::Admin];
    scopes
        .into_iter()
        .find(|scope| scope.as_str() == name)
        .ok_or_else(|| format!("a scope is one of {}", scopes.map(Scope::as_str).join(", ")))
}

fn parse_role(name: &str) -> Result<Role, String> {
    name.parse().map_err(|()| format!("a role is one of {}", Role::ALL.map(Role::as_str).join(", ")))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn serve_is_what_happens_without_a_command() {
        let bare = Cli::try_parse_from(["hubbub", "--port", "auto", "--new-epoch"]).unwrap();
        assert!(bare.command.is_none() && bare.serve.new_epoch);
        assert_eq!(bare.serve.settings.flags(), [Given::new("server.port", "auto", "--port")]);
        let named = Cli::try_parse_from(["hubbub", "serve", "--log-format", "json"]).unwrap();
        let Some(Command::Serve(args)) = named.command else { panic!("serve") };
        assert_eq!(args.settings.flags(), [Given::new("log.format", "json", "--log-format")]);
    }

    #[test]
    fn token_makes_one_thing_at_a_time() {
        assert!(Cli::try_parse_from(["hubbub", "token"]).is_err());
        assert!(Cli::try_parse_from(["hubbub", "token", "--api-key", "a", "--jwt", "b"]).is_err());
        assert!(Cli::try_parse_from(["hubbub", "token", "--api-key", "a", "--scope", "everything"]).is_err());
        assert!(Cli::try_parse_from(["hubbub", "token", "--jwt", "ana", "--role", "admin", "--ttl", "60"]).is_ok());
    }
}
