//! More replicas or fewer, and how much room there is.

use serde::Serialize;

use super::{
    Cluster,
    args::Patience,
    error::ClusterError,
    process::Process,
    put, put_json,
    state::{Replica, State},
    survey::Survey,
    table::{Table, or_none},
};

/// How much room a replica has, or all have.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Room {
    name: String,
    clients: Option<usize>,
    /// Most clients (MAX_SESSIONS).
    max_clients: Option<usize>,
    /// How many more.
    headroom: Option<usize>,
}

/// Shows how many clients each replica has and could take.
///
/// # Errors
/// If standard output is closed.
pub(super) fn show(state: &State, json: bool) -> Result<(), ClusterError> {
    let survey = Survey::of(state);
    let mut rooms: Vec<_> = survey
        .replicas()
        .map(|part| Room {
            name: part.name.clone(),
            clients: part.clients,
            max_clients: part.max_clients,
            headroom: part.clients.zip(part.max_clients).map(|(clients, most)| most.saturating_sub(clients)),
        })
        .collect();
    let sum = |of: fn(&Room) -> Option<usize>| rooms.iter().filter_map(of).reduce(|sum, each| sum.saturating_add(each));
    let total = Room {
        name: "total".into(),
        clients: sum(|room| room.clients),
        max_clients: sum(|room| room.max_clients),
        headroom: sum(|room| room.headroom),
    };
    if json {
        let shown = serde_json::json!({ "replicas": rooms, "total": total });
        return put_json(&shown);
    }
    rooms.push(total);
    let mut table = Table::new(&["replica", "clients", "most", "headroom"]);
    for Room { name, clients, max_clients, headroom } in rooms {
        let number = |number: Option<usize>| or_none(number, |number| number.to_string());
        table.row(vec![name, number(clients), number(max_clients), number(headroom)]);
    }
    put(table)
}

impl Cluster {
    /// Starts replicas, those too that are dead and stay, then tells nginx of them; or takes the dead and then the newest
    /// away from nginx, then drains them.
    ///
    /// # Errors
    /// If the cluster does not run, or a new replica does not come up; what was started is ended then.
    pub(super) fn scale(&mut self, wanted: usize, patience: Patience) -> Result<(), ClusterError> {
        self.need_running()?;
        let before = self.state.replicas.len();
        // Who is dead has nobody to drain, and must not be started only to go.
        let surplus = self.state.surplus(wanted);
        self.state.replicas.retain(|replica| replica.is_alive() || !surplus.contains(&replica.number));
        self.save()?;
        let mut started = Vec::new();
        // Out of rotation are those that a command left so which was killed.
        let serves = |replica: &Replica| replica.has_started() && replica.in_rotation;
        let is_short = self.state.replicas.len() < wanted || !self.state.replicas.iter().all(serves);
        let grown = if is_short { self.grow(wanted, &mut started) } else { Ok(()) };
        if let Err(error) = grown.and_then(|()| self.balance()) {
            self.take_back(&started);
            // Those that were there go on; nginx may have heard of the others.
            self.balance_again();
            return Err(error);
        }
        self.shrink(wanted, patience)?;
        if before == wanted && started.is_empty() {
            self.say(&format!("There are {wanted} replicas already."));
        }
        self.show()
    }

    /// That Redis and nginx run.
    ///
    /// # Errors
    /// [`ClusterError::Usage`] says what starts them.
    pub(super) fn need_running(&self) -> Result<(), ClusterError> {
        let redis = self.state.redis.as_ref().is_some_and(|redis| redis.process.is_alive());
        if redis && self.state.nginx.as_ref().is_some_and(Process::is_alive) {
            return Ok(());
        }
        Err(ClusterError::Stopped(self.folder.path().to_owned()))
    }
}
