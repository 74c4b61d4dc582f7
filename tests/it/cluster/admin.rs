//! What admins see of all instances, whichever they ask.

use crate::support::{
    cluster::{Cluster, instance},
    *,
};

/// Instances that take JWTs, and count as living for long after they were last heard.
async fn start(instances: usize) -> Cluster {
    Cluster::around(Redis::start(), instances, |redis, number| {
        instance(number, &redis.url())
            .env("JWT_SECRET", token::JWT_SECRET)
            .env("INSTANCE_TTL_MS", 20_000)
            .env("HEARTBEAT_INTERVAL_MS", 25_000)
    })
    .await
}

async fn get(cluster: &mut Cluster, number: usize, path: &str) -> Value {
    let answer = cluster.server(number).get_as(path, &token::admin()).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.text);
    answer.json
}

fn names(page: &Value) -> Vec<(&str, &str)> {
    let sessions = page["sessions"].as_array().unwrap().iter();
    sessions.map(|each| (each["instance"].as_str().unwrap(), each["user"]["name"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn each_instance_tells_of_all() {
    let mut cluster = start(2).await;
    let _ana = cluster.server(1).guest("Ana").await;
    let eve = cluster.server(2).guest("Eve").await;
    let _evelyn = cluster.server(2).guest("Evelyn").await;
    // Nobody has proved anything by this.
    cluster.server(2).get_as("/metrics", "a key that nobody was given, ever").await;

    for number in [1, 2] {
        let list = get(&mut cluster, number, "/api/instances").await;
        let told: Vec<_> = list["instances"].as_array().unwrap().iter().collect();
        let clients: Vec<_> = told.iter().map(|each| (&each["instanceId"], &each["connectedClients"])).collect();
        assert_eq!(clients, [(&json!("api-1"), &json!(1)), (&json!("api-2"), &json!(2))], "{list:#}");
        for each in told {
            let vitals = &each["vitals"];
            assert_eq!(vitals["status"], "healthy", "{each:#}");
            assert!(vitals["memoryBytes"].is_u64() && vitals["cpuSeconds"].is_number(), "{each:#}");
        }
        let page = get(&mut cluster, number, "/api/sessions?q=eve").await;
        assert_eq!(names(&page), [("api-2", "Eve"), ("api-2", "Evelyn")]);
        let page = get(&mut cluster, number, "/api/sessions?q=API-1").await;
        assert_eq!(names(&page), [("api-1", "Ana")]);
        let events = get(&mut cluster, number, "/api/events?all=true").await;
        let failed: Vec<_> = events["events"].as_array().unwrap().iter().map(|event| &event["instance"]).collect();
        assert_eq!((failed, &events["missing"]), (vec![&json!("api-2")], &json!([])));
    }
    assert_eq!(get(&mut cluster, 1, "/api/events").await["events"], json!([]), "without being asked for all");
    for (kind, count) in [("authentication", 1), ("fault", 0)] {
        let events = get(&mut cluster, 1, &format!("/api/events?all=true&kind={kind}")).await;
        assert_eq!(events["events"].as_array().unwrap().len(), count, "{kind}");
    }
    let kick = format!("/api/users/{}/connections?banMs=0", eve.id());
    let kicked = cluster.server(1).delete_as(&kick, &token::admin()).await;
    assert_eq!((kicked.status, kicked.json), (200, json!({"closed": 1, "missing": []})));
}

#[tokio::test]
async fn one_that_does_not_answer_is_named_and_not_waited_for() {
    let mut cluster = start(2).await;
    let _ana = cluster.server(1).guest("Ana").await;
    let _eve = cluster.server(2).guest("Eve").await;
    cluster.server(2).freeze();
    let list = get(&mut cluster, 1, "/api/instances").await;
    let vitals: Vec<_> = list["instances"].as_array().unwrap().iter().map(|each| each["vitals"].is_object()).collect();
    assert_eq!(vitals, [true, false], "{list:#}");
    let page = get(&mut cluster, 1, "/api/sessions?q=eve").await;
    assert_eq!((names(&page), &page["missing"]), (vec![], &json!(["api-2"])));
    let events = get(&mut cluster, 1, "/api/events?all=true").await;
    assert_eq!(events["missing"], json!(["api-2"]));
    let kick = "/api/users/g:nobody/connections?banMs=0";
    let kicked = cluster.server(1).delete_as(kick, &token::admin()).await;
    assert_eq!((kicked.status, kicked.json), (200, json!({"closed": 0, "missing": ["api-2"]})));
    cluster.server(2).thaw();
    until("it to answer again", async || {
        let list = get(&mut cluster, 1, "/api/instances").await;
        list["instances"].as_array()?.iter().all(|each| each["vitals"].is_object()).then_some(())
    })
    .await;
}
