//! A row of the suite: a fault, a flow it hits, and the one true thing to say about it.
//!
//! Texts may hold `{server}` and `{client}` (the row's own addresses), `{port}`, `{lab}` (the lab's
//! folder) and, for rules, `{flow}` and `{replies}` (the packets of the flow, either way),
//! `{tcp flow}` and `{tcp replies}` (where a rule looks into TCP) and `{host}` (all packets to the row's server).

use crate::lab::Node;
use crate::peer::Peer;

/// One fault as one flow meets it.
#[derive(Clone)]
pub(crate) struct Row {
    pub(crate) fault: String,
    pub(crate) flow: Flow,
    pub(crate) place: Place,
    pub(crate) how: Vec<How>,
    pub(crate) peer: Option<Peer>,
    pub(crate) expected: Expected,
    /// What the one-line result must name besides: a device, a service, a number.
    pub(crate) says: Vec<String>,
    /// Why more than one code is equally true.
    pub(crate) because: &'static str,
    /// Another flow of the same run, whose step has this cause and explains the row's own.
    pub(crate) root: Option<(&'static str, &'static str)>,
    /// Is a kernel's own patience part of it, however plain the refusal?
    pub(crate) takes_time: bool,
}

/// What is asked: a `--check` of a scheme and port, or a whole command line.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    pub(crate) name: &'static str,
    pub(crate) scheme: &'static str,
    pub(crate) port: u16,
    /// Instead of the row's address.
    pub(crate) host: Option<&'static str>,
    /// Further flags; with `--role` among them, there is no `--check`.
    pub(crate) args: Vec<String>,
}

/// Where the row's server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The site's server itself: nothing is done to the network.
    Site,
    /// Behind the router, at an address of its own.
    Near,
    /// Behind two routers, at an address of its own.
    Far,
    /// Behind the router, at an IPv6 address of its own.
    Near6,
    /// An address behind the router that nobody has.
    Nobody,
    /// An address of the client's own segment that nobody has.
    Segment,
    /// In a lab of its own, whose only servers are the row's: what is done there hits everything.
    Alone,
}

/// How the fault is made.
#[derive(Clone)]
pub(crate) enum How {
    /// A rule at a hook: `input`, `forward` or `output`; or, of those that translate, `prerouting` and `of-our-own`.
    Rule(Node, &'static str, String),
    /// Lines of `ip`.
    Ip(Node, String),
    /// A kernel parameter by its path below `/proc/sys`.
    Sysctl(Node, &'static str, &'static str),
    /// Lines of the client's `/etc/hosts`.
    Hosts(String),
    /// The client's `/etc/resolv.conf`; for [`Place::Alone`].
    Resolver(String),
    /// A VPN from the client to the router, up: its `tun0` carries what is routed there; for [`Place::Alone`].
    Vpn,
    /// A file in the lab's folder.
    File(&'static str, String),
    /// What goes to the row's server takes half a second; for [`Place::Near`].
    Delayed,
    /// One more peer, at the site's server; for [`Place::Alone`].
    Peer(u16, Peer),
    /// One on the client itself; for [`Place::Alone`].
    Here(u16, Peer),
    /// One on the router; for [`Place::Alone`].
    OnRouter(u16, Peer),
}

/// What is true about it.
#[derive(Clone, Debug)]
pub(crate) enum Expected {
    /// It fails for one of these causes.
    Fails(&'static [&'static str]),
    /// It cannot be told from here, or it fails for one of these causes.
    Unknown(&'static [&'static str]),
    /// It works, with one of these concerns.
    Warns(&'static [&'static str]),
    /// It is left to chance: it works, with one of these concerns or none, or is met by silence.
    Chance(&'static [&'static str]),
    /// It works, and there is nothing to say.
    Passes,
}

impl Row {
    /// `fault` as it hits `flow`; nothing is wrong with it yet.
    pub(crate) fn new(fault: impl Into<String>, flow: Flow) -> Self {
        Self {
            fault: fault.into(),
            flow,
            place: Place::Site,
            how: Vec::new(),
            peer: None,
            expected: Expected::Passes,
            says: Vec::new(),
            because: "",
            root: None,
            takes_time: false,
        }
    }

    pub(crate) fn at(self, place: Place) -> Self {
        Self { place, ..self }
    }

    pub(crate) fn rule(mut self, node: Node, hook: &'static str, rule: impl Into<String>) -> Self {
        self.how.push(How::Rule(node, hook, rule.into()));
        self
    }

    pub(crate) fn ip(mut self, node: Node, lines: impl Into<String>) -> Self {
        self.how.push(How::Ip(node, lines.into()));
        self
    }

    pub(crate) fn sysctl(mut self, node: Node, key: &'static str, value: &'static str) -> Self {
        self.how.push(How::Sysctl(node, key, value));
        self
    }

    pub(crate) fn hosts(mut self, lines: impl Into<String>) -> Self {
        self.how.push(How::Hosts(lines.into()));
        self
    }

    pub(crate) fn resolver(mut self, text: impl Into<String>) -> Self {
        self.how.push(How::Resolver(text.into()));
        self
    }

    pub(crate) fn vpn(mut self) -> Self {
        self.how.push(How::Vpn);
        self
    }

    pub(crate) fn file(mut self, name: &'static str, text: impl Into<String>) -> Self {
        self.how.push(How::File(name, text.into()));
        self
    }

    pub(crate) fn delayed(mut self) -> Self {
        self.how.push(How::Delayed);
        self
    }

    /// Lets `peer` answer besides, on `port`.
    pub(crate) fn beside(mut self, port: u16, peer: Peer) -> Self {
        self.how.push(How::Peer(port, peer));
        self
    }

    /// Lets `peer` listen on the client itself, on `port`.
    pub(crate) fn here(mut self, port: u16, peer: Peer) -> Self {
        self.how.push(How::Here(port, peer));
        self
    }

    /// Lets `peer` listen on the router, on `port`.
    pub(crate) fn at_router(mut self, port: u16, peer: Peer) -> Self {
        self.how.push(How::OnRouter(port, peer));
        self
    }

    /// Lets `peer` answer, on a port of the row's own.
    pub(crate) fn peer(self, peer: Peer) -> Self {
        Self { peer: Some(peer), ..self }
    }

    pub(crate) fn named(self, fault: &str) -> Self {
        Self { fault: fault.to_owned(), ..self }
    }

    pub(crate) fn fails(self, codes: &'static [&'static str]) -> Self {
        Self { expected: Expected::Fails(codes), ..self }
    }

    pub(crate) fn unknown(self, codes: &'static [&'static str]) -> Self {
        Self { expected: Expected::Unknown(codes), ..self }
    }

    pub(crate) fn warns(self, codes: &'static [&'static str]) -> Self {
        Self { expected: Expected::Warns(codes), ..self }
    }

    pub(crate) fn left_to_chance(self, codes: &'static [&'static str]) -> Self {
        Self { expected: Expected::Chance(codes), ..self }
    }

    pub(crate) fn says(mut self, text: impl Into<String>) -> Self {
        self.says.push(text.into());
        self
    }

    /// The step of `flow` fails for `code`, and the row's own step is folded under it.
    pub(crate) fn under(self, flow: &'static str, code: &'static str) -> Self {
        Self { root: Some((flow, code)), ..self }
    }

    pub(crate) fn takes_time(self) -> Self {
        Self { takes_time: true, ..self }
    }

    pub(crate) fn because(self, because: &'static str) -> Self {
        Self { because, ..self }
    }
}

impl Flow {
    const fn of(name: &'static str, scheme: &'static str, port: u16) -> Self {
        Self { name, scheme, port, host: None, args: Vec::new() }
    }

    pub(crate) fn on(self, port: u16) -> Self {
        Self { port, ..self }
    }

    pub(crate) fn to(self, host: &'static str) -> Self {
        Self { host: Some(host), ..self }
    }

    pub(crate) fn with(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|&arg| arg.to_owned()));
        self
    }
}

macro_rules! flows {
    ($($name:ident $scheme:literal $port:literal;)*) => {
        $(pub(crate) fn $name() -> Flow {
            Flow::of(stringify!($name), $scheme, $port)
        })*
    };
}

flows! {
    ssh "ssh" 22;
    smtp "smtp" 25;
    smtps "smtps" 465;
    http "http" 80;
    https "https" 443;
    tls "tls" 443;
    ldap "ldap" 389;
    ldaps "ldaps" 636;
    bbdo "bbdo" 5669;
    zmq "zmq" 5556;
    nsclient "nsclient" 8443;
    pullwss_tls "pullwss-tls" 443;
    pullwss "pullwss" 8086;
    gorgone_api "gorgone-api" 8085;
    mysql "mysql" 3306;
    postgresql "postgresql" 5432;
    mssql "mssql" 1433;
    ntp "ntp" 123;
    nts "nts" 4460;
    nrpe "nrpe" 5667;
    nsclient_nt "nsclient-nt" 12489;
    otlp "otlp" 4317;
    qnetd "qnetd" 5403;
    zmq_router "zmq-router" 5700;
    oracle "oracle" 1521;
    pcsd "pcsd" 2224;
    radius "radius" 1812;
    netflow "netflow" 2055;
    corosync "corosync" 5405;
    closed "!tcp" 9;
    dns "dns" 53;
    bare_snmp "snmp" 161;
    trap "trap" 162;
    icmp "icmp" 0;
}

/// SNMP as the site is asked: with its community.
pub(crate) fn snmp() -> Flow {
    Flow { name: "snmp", ..bare_snmp() }.with(&["--snmp-community-file", "{lab}/community"])
}
