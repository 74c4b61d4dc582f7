//! What operators watch with: the metrics, the alerts and the dashboard, judged by the real promtool; and `hubbub doctor`.

mod alerts;
mod doctor;
mod exposition;
mod names;
mod promtool;
