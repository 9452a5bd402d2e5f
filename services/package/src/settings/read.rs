//! From the JSON text to [`Settings`], within what a runner can give.

use std::ops::RangeInclusive;

use serde::{Deserialize, de::IgnoredAny};
use warren_proto::problems::Limits;

use super::{
    GroupScorePolicy, Settings, TOLERANCE_DEFAULT, Validator,
    units::{Bytes, Millis},
};
use crate::{
    PackageError, cases,
    testplan::{Written, parse_weight},
};

const FILE: &str = "settings.json";

/// What a package may ask for: beyond it one problem would hold up or exhaust a runner.
const TIME_MS: RangeInclusive<u64> = 1..=60_000;
const MEMORY_BYTES: RangeInclusive<u64> = 1 << 20..=1 << 30;
const OUTPUT_BYTES: RangeInclusive<u64> = 1..=100 << 20;
const OVERALL_WALL_MS: RangeInclusive<u64> = 1..=600_000;
const EXTRA_WALL_MS: RangeInclusive<u64> = 0..=60_000;

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
struct RawSettings {
    limits: RawLimits,
    validator: RawValidator,
    cases: Option<Vec<RawGroup>>,
    interactive: Option<IgnoredAny>,
    #[serde(rename = "Slow")]
    _slow: Option<bool>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
struct RawLimits {
    time_limit: Option<Millis>,
    memory_limit: Option<Bytes>,
    output_limit: Option<Bytes>,
    overall_wall_time_limit: Option<Millis>,
    extra_wall_time: Option<Millis>,
}

/// `Lang` and `Limits` are for custom validators.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
struct RawValidator {
    name: Option<String>,
    tolerance: Option<f64>,
    group_score_policy: Option<String>,
    #[serde(rename = "Lang")]
    _lang: Option<IgnoredAny>,
    #[serde(rename = "Limits")]
    _limits: Option<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RawGroup {
    name: String,
    cases: Vec<RawCase>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct RawCase {
    name: String,
    weight: serde_json::Number,
}

/// The settings, and the weights if the file lists any.
pub(crate) fn read(text: &[u8]) -> Result<(Settings, Option<Vec<Written>>), PackageError> {
    let mut json = serde_json::Deserializer::from_slice(text);
    let raw: RawSettings = serde_path_to_error::deserialize(&mut json).map_err(|error| describe(&error))?;
    json.end().map_err(|error| PackageError::file(FILE, error.to_string()))?;
    if raw.interactive.is_some() {
        return Err(PackageError::file(FILE, "Interactive: interactive problems are not supported"));
    }
    let (limits, extra_wall_ms) = limits(&raw.limits)?;
    let settings = Settings {
        limits,
        extra_wall_ms,
        validator: validator(&raw.validator)?,
        group_score_policy: policy(raw.validator.group_score_policy.as_deref())?,
    };
    let weights = raw.cases.filter(|groups| !groups.is_empty()).map(weights).transpose()?;
    Ok((settings, weights))
}

fn describe(error: &serde_path_to_error::Error<serde_json::Error>) -> PackageError {
    let (path, problem) = (error.path().to_string(), error.inner());
    if matches!(path.as_str(), "." | "?") {
        PackageError::file(FILE, problem.to_string())
    } else {
        PackageError::file(FILE, format!("{path}: {problem}"))
    }
}

fn limits(raw: &RawLimits) -> Result<(Limits, u64), PackageError> {
    let default = Settings::default();
    let millis = |value: Option<Millis>, default| value.map_or(default, |value| value.0);
    let bytes = |value: Option<Bytes>, default| value.map_or(default, |value| value.0);
    let limits = Limits {
        time_ms: within("TimeLimit", millis(raw.time_limit, default.limits.time_ms), &TIME_MS, "ms")?,
        memory_bytes: within(
            "MemoryLimit",
            bytes(raw.memory_limit, default.limits.memory_bytes),
            &MEMORY_BYTES,
            "bytes",
        )?,
        output_bytes: within(
            "OutputLimit",
            bytes(raw.output_limit, default.limits.output_bytes),
            &OUTPUT_BYTES,
            "bytes",
        )?,
        overall_wall_ms: within(
            "OverallWallTimeLimit",
            millis(raw.overall_wall_time_limit, default.limits.overall_wall_ms),
            &OVERALL_WALL_MS,
            "ms",
        )?,
    };
    let extra = within("ExtraWallTime", millis(raw.extra_wall_time, default.extra_wall_ms), &EXTRA_WALL_MS, "ms")?;
    Ok((limits, extra))
}

fn within(name: &str, value: u64, allowed: &RangeInclusive<u64>, unit: &str) -> Result<u64, PackageError> {
    if allowed.contains(&value) {
        return Ok(value);
    }
    let (least, most) = (allowed.start(), allowed.end());
    Err(PackageError::file(FILE, format!("Limits.{name}: {value} {unit} is not from {least} to {most} {unit}")))
}

fn validator(raw: &RawValidator) -> Result<Validator, PackageError> {
    let tolerance = raw.tolerance.unwrap_or(TOLERANCE_DEFAULT);
    if !tolerance.is_finite() || tolerance < 0.0 {
        return Err(PackageError::file(FILE, format!("Validator.Tolerance: {tolerance} is not a number from 0")));
    }
    let name = raw.name.as_deref().unwrap_or("token");
    Validator::from_name(name, tolerance).ok_or_else(|| {
        let name = name.escape_debug();
        let supported = "token, token-caseless, token-numeric and literal are";
        PackageError::file(FILE, format!("Validator.Name: `{name}` is not supported; {supported}"))
    })
}

fn policy(name: Option<&str>) -> Result<GroupScorePolicy, PackageError> {
    match name.unwrap_or_default() {
        "" | "sum-if-not-zero" => Ok(GroupScorePolicy::SumIfNotZero),
        "min" => Ok(GroupScorePolicy::Min),
        other => {
            let problem = format!(
                "Validator.GroupScorePolicy: `{}` is not known; sum-if-not-zero and min are",
                other.escape_debug()
            );
            Err(PackageError::file(FILE, problem))
        }
    }
}

fn weights(groups: Vec<RawGroup>) -> Result<Vec<Written>, PackageError> {
    let mut written = Vec::new();
    for RawGroup { name: group, cases } in groups {
        for RawCase { name: case, weight } in cases {
            let refused = |problem| PackageError::file(FILE, format!("Cases: {case}: {problem}"));
            if cases::group_of(&case) != group {
                return Err(refused(format!("is listed in the group {group}")));
            }
            let weight = parse_weight(&weight.to_string()).map_err(refused)?;
            written.push(Written { case, weight, line: None });
        }
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(text: &str) -> Result<Settings, String> {
        read(text.as_bytes()).map(|(settings, _)| settings).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_absent_has_quarks_default() {
        assert_eq!(settings("{}").unwrap(), Settings::default());
    }

    #[test]
    fn a_file_of_omegaup_is_read() {
        let text = r#"{
            "Cases": [{"Name": "easy", "Cases": [{"Name": "easy.1", "Weight": 0.25}, {"Name": "easy.2", "Weight": 1}]}],
            "Limits": {"ExtraWallTime": "0s", "MemoryLimit": "64MiB", "OutputLimit": 20480,
                       "OverallWallTimeLimit": "1m0s", "TimeLimit": 2500},
            "Slow": false,
            "Validator": {"Name": "token-numeric", "Tolerance": 1e-9, "GroupScorePolicy": "min"}
        }"#;
        let (settings, weights) = read(text.as_bytes()).unwrap();
        assert_eq!(settings.limits.time_ms, 2500);
        assert_eq!(settings.limits.memory_bytes, 64 << 20);
        assert_eq!(settings.limits.output_bytes, 20_480);
        assert_eq!(settings.limits.overall_wall_ms, 60_000);
        assert_eq!(settings.validator, Validator::TokenNumeric { tolerance: 1e-9 });
        assert_eq!(settings.group_score_policy, GroupScorePolicy::Min);
        assert_eq!(weights.unwrap()[0].weight.to_string(), "1/4");
    }

    #[test]
    fn refusals_name_the_field_and_what_is_allowed() {
        let refusal = |text| settings(text).unwrap_err();
        assert_eq!(
            refusal(r#"{"Validator": {"Name": "custom"}}"#),
            "settings.json: Validator.Name: `custom` is not supported; \
             token, token-caseless, token-numeric and literal are"
        );
        assert!(refusal(r#"{"Limits": {"TimeLimt": 1}}"#).contains("unknown field `TimeLimt`, expected one of"));
        assert!(
            refusal(r#"{"Limits": {"TimeLimit": "fast"}}"#).starts_with("settings.json: Limits.TimeLimit: invalid")
        );
        assert!(refusal(r#"{"Limits": {"TimeLimit": -1}}"#).contains("a duration such as"));
        assert!(refusal(r#"{"Limits": {"TimeLimit": 0}}"#).ends_with("0 ms is not from 1 to 60000 ms"));
        assert!(refusal(r#"{"Limits": {"MemoryLimit": "2GiB"}}"#).contains("Limits.MemoryLimit: 2147483648 bytes"));
        assert!(refusal(r#"{"Validator": {"GroupScorePolicy": "max"}}"#).contains("`max` is not known"));
        assert!(refusal(r#"{"Validator": {"Name": "token-numeric", "Tolerance": -1}}"#).contains("Tolerance"));
        assert!(refusal(r#"{"Interactive": {}}"#).contains("not supported"));
        assert!(refusal("{").starts_with("settings.json: EOF"));
        assert!(refusal("{} {}").contains("trailing characters"));
        let wrong_group = r#"{"Cases": [{"Name": "a", "Cases": [{"Name": "b.1", "Weight": 1}]}]}"#;
        assert_eq!(refusal(wrong_group), "settings.json: Cases: b.1: is listed in the group a");
    }
}
