//! The files beside `config/default.toml` are ones that the program takes.

use crate::support::server::run;

#[test]
fn the_timings_of_the_seed_are_settings() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/config/seed-timings.toml");
    let folder = tempfile::tempdir().unwrap();
    let output = run(folder.path(), &["check-config", "--config", file], &[]);
    let said = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    assert!(output.status.success(), "{}", said(&output.stderr));
    let effective: toml::Table = toml::from_str(&said(&output.stdout)).unwrap();
    let given: toml::Table = toml::from_str(&std::fs::read_to_string(file).unwrap()).unwrap();
    for (section, keys) in given {
        for (key, value) in keys.as_table().unwrap() {
            assert_eq!(effective[&section][key], *value, "{section}.{key}");
        }
    }
}
