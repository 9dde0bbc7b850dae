//! Metrics as values, and as text that Prometheus reads.
//!
//! Owns one value for a whole answer: families with their rows. The form is `prometheus-client`'s (OpenMetrics 1.0). Leaves
//! what there is to count to `gather`.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Registry;

/// Before the name of everything that is ours.
const PREFIX: &str = "terrace_";

/// Whether a value only grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Counter,
    Gauge,
}

#[derive(Debug)]
struct Family {
    name: String,
    help: &'static str,
    kind: Kind,
    rows: Vec<(Vec<(&'static str, String)>, f64)>,
}

/// All that is counted, at one moment.
#[derive(Debug, Default)]
pub(super) struct Families(Vec<Family>);

impl Families {
    /// Something that only grows; its name gets `_total` by itself.
    pub(super) fn counter(&mut self, name: &str, help: &'static str) -> Rows<'_> {
        self.family(format!("{PREFIX}{name}"), help, Kind::Counter)
    }

    /// Something that is as it is now.
    pub(super) fn gauge(&mut self, name: &str, help: &'static str) -> Rows<'_> {
        self.family(format!("{PREFIX}{name}"), help, Kind::Gauge)
    }

    /// A counter of the process, under the name that every exporter gives it.
    pub(super) fn process_counter(&mut self, name: &str, help: &'static str) -> Rows<'_> {
        self.family(format!("process_{name}"), help, Kind::Counter)
    }

    /// A gauge of the process, under the name that every exporter gives it.
    pub(super) fn process_gauge(&mut self, name: &str, help: &'static str) -> Rows<'_> {
        self.family(format!("process_{name}"), help, Kind::Gauge)
    }

    fn family(&mut self, name: String, help: &'static str, kind: Kind) -> Rows<'_> {
        self.0.push(Family { name, help, kind, rows: Vec::new() });
        Rows(self.0.last_mut().expect("it was just put there"))
    }

    /// As text.
    pub(super) fn encode(self) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        text::encode(&mut text, &registry).expect("writing to a string cannot fail");
        text
    }
}

/// The rows of one family.
pub(super) struct Rows<'a>(&'a mut Family);

impl Rows<'_> {
    /// Adds a value with its labels.
    pub(super) fn row<const N: usize>(&mut self, labels: [(&'static str, &str); N], value: f64) -> &mut Self {
        let labels = labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.0.rows.push((labels, value));
        self
    }
}

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for family in &self.0 {
            let metric_type = match family.kind {
                Kind::Counter => ConstCounter::new(0.0).metric_type(),
                Kind::Gauge => ConstGauge::new(0.0).metric_type(),
            };
            let mut metric = encoder.encode_descriptor(&family.name, family.help, None, metric_type)?;
            for (labels, value) in &family.rows {
                let row = metric.encode_family(labels)?;
                match family.kind {
                    Kind::Counter => ConstCounter::new(*value).encode(row)?,
                    Kind::Gauge => ConstGauge::new(*value).encode(row)?,
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_written_as_openmetrics() {
        let mut families = Families::default();
        families.counter("joins", "Joins").row([("outcome", "new")], 3.0).row([("outcome", "refused")], 1.0);
        families.gauge("rooms", "Rooms").row([], 2.0);
        assert_eq!(
            families.encode(),
            "# HELP terrace_joins Joins\n# TYPE terrace_joins counter\n\
             terrace_joins_total{outcome=\"new\"} 3.0\nterrace_joins_total{outcome=\"refused\"} 1.0\n\
             # HELP terrace_rooms Rooms\n# TYPE terrace_rooms gauge\nterrace_rooms{} 2.0\n# EOF\n"
        );
    }
}
