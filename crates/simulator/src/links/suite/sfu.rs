//! An SFU that chooses among four layers, on made-up links.

use super::super::capacity::Capacity;
use super::super::case::{Case, FlowKind, FlowSpec, Group};
use super::super::event::{MILLI, SECOND};
use super::super::link::{Limit, LinkSpec};
use super::super::loss::LossModel;
use super::super::tcp::{TcpLoad, TcpVariant};
use super::video::variable;
use super::{bottleneck, sfu_flow, way_back, wifi_link, without_steps};

/// All of them that need no recording.
pub fn sfu() -> Vec<Case> {
    let constant = |mbps: f64| bottleneck(Capacity::mbps(&[(0.0, mbps)]));
    let steps = Capacity::mbps(&[(0.0, 5.0), (30.0, 1.0), (60.0, 0.4), (90.0, 2.0), (120.0, 5.0)]);
    let steps = LinkSpec { limit: Limit::Time(500 * MILLI), ..bottleneck(steps) };
    let lossy = LinkSpec { loss: LossModel::Independent(0.02), ..constant(3.0) };
    let tcp = FlowKind::Tcp { variant: TcpVariant::Reno, load: TcpLoad::Long };
    let tcp = FlowSpec::new(tcp, 30 * SECOND, 60 * SECOND);
    vec![
        case("S:const2M", 60, constant(2.0), vec![sfu_flow(0, 60)]),
        case("S:const5M", 60, constant(5.0), vec![sfu_flow(0, 60)]),
        case("S:const0.7M", 60, constant(0.7), vec![sfu_flow(0, 60)]),
        case("S:steps", 150, steps, vec![sfu_flow(0, 150)]),
        case("S:5.1", 100, bottleneck(variable()), vec![sfu_flow(0, 99)]),
        case("S:loss2", 90, lossy, vec![sfu_flow(0, 90)]),
        case("S:two-3.5M", 90, constant(3.5), vec![sfu_flow(0, 90), sfu_flow(10, 90)]),
        case("S:tcp-3M", 90, constant(3.0), vec![sfu_flow(0, 90), tcp]),
        without_steps(case("S:wifi", 120, wifi_link(120 * SECOND), vec![sfu_flow(0, 120)])),
    ]
}

fn case(name: &str, seconds: u64, link: LinkSpec, flows: Vec<FlowSpec>) -> Case {
    let back = way_back(link.delay.at(0));
    Case::new(name, Group::Sfu, seconds * SECOND, vec![link, back], flows)
}
