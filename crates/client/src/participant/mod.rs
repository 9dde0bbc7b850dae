//! A participant: joined, with media, until it leaves.
//!
//! Owns the public handle. The work is done by one task per participant (`session`), which ends with the handle.

mod publish;
mod session;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use packet::MediaKind;
use signalling::{
    Capabilities, ClientMessage, Demand, IncomingMessage, Join, Joined, OutgoingMessage, ParticipantId,
    Publish, RoomChange, ServerMessage, SlotState, Speaker, View,
};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::clock::Clock;
use crate::error::JoinError;
use crate::options::Options;
use crate::receiver::Receiver;
use crate::report::{EncodingReport, PublisherReport, ReceiverReport, VideoReport};
use crate::signal::Signal;
use crate::synthetic::Camera;

/// How long the server may take to answer.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
/// Events that wait for [`Participant::next_event`]; when nobody asks for them, further ones are dropped.
const MAX_EVENTS: usize = 256;

/// Something that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Media flows.
    Connected,
    /// What is in some slots has changed.
    Slots(Vec<SlotState>),
    /// Who is in the room has changed.
    Room(RoomChange),
    /// What is wanted of this participant's camera has changed. It has been obeyed.
    Demand(Demand),
    /// Who speaks.
    Speakers(Vec<Speaker>),
    /// Data from another participant.
    Message(IncomingMessage),
    /// The server refused something, or something went wrong.
    Error(signalling::Error),
    /// Messages and reports go over a data channel from here on, also while the signalling connection is lost.
    ChannelOpened,
    /// The data channel is gone; everything goes over the signalling connection.
    ChannelClosed,
    /// The signalling connection was lost; media goes on while another is made.
    Reconnecting,
    /// The signalling connection is back.
    Resumed,
    /// The server, or another one that it named, knew nothing of this participant: it has joined anew, with a new id and
    /// a new media connection. Reports begin anew, too.
    Rejoined,
    /// It is over.
    Closed,
}

/// What the session is asked to do.
enum Command {
    Send(Box<ClientMessage>),
    AddVideoSlots(usize, oneshot::Sender<()>),
    Leave,
}

/// A participant in a room. It leaves when it is dropped; [`Participant::leave`] waits until it has left.
///
/// ```no_run
/// # async fn run() -> Result<(), client::JoinError> {
/// use client::{Event, Options, Participant, Trust};
/// use signalling::DeviceClass;
///
/// let mut options = Options::new("standup", "Ada").with_class(DeviceClass::Mobile);
/// options.trust = Trust::from_fingerprint(&"ab".repeat(32)).unwrap();
/// let mut phone = Participant::join("https://localhost:8443", options).await?;
/// while let Some(event) = phone.next_event().await {
///     if let Event::Slots(slots) = event {
///         println!("{slots:?}");
///     }
/// }
/// println!("{:?}", phone.video_reports());
/// # Ok(())
/// # }
/// ```
pub struct Participant {
    options: Options,
    clock: Clock,
    shared: Arc<Shared>,
    commands: mpsc::UnboundedSender<Command>,
    events: mpsc::Receiver<Event>,
    session: JoinHandle<()>,
}

/// What the session, the tasks of media and the handle all look at. Locks are held for moments and never across a wait.
pub(crate) struct Shared {
    id: Mutex<ParticipantId>,
    pub(crate) receiver: Mutex<Receiver>,
    pub(crate) camera: Option<Mutex<Camera>>,
}

impl Participant {
    /// Joins the room of `options` at the server `url` (`https://host:port`, or `http://` for one without TLS), and
    /// negotiates media. It is connected when [`Event::Connected`] comes.
    ///
    /// # Errors
    /// [`JoinError`] says whether the server could not be reached, refused, or was not understood.
    pub async fn join(url: &str, options: Options) -> Result<Self, JoinError> {
        let clock = Clock::start();
        let mut signal = Signal::connect(url, options.trust).await?;
        let joined = enter(&mut signal, &options, None).await?;
        let camera = options.camera.clone().map(|config| Mutex::new(Camera::new(config, options.seed)));
        let shared =
            Arc::new(Shared { id: Mutex::new(joined.own.clone()), receiver: Mutex::default(), camera });
        let (commands, received) = mpsc::unbounded_channel();
        let (told, events) = mpsc::channel(MAX_EVENTS);
        let session = session::Session::start(session::Start {
            url: url.to_owned(),
            options: options.clone(),
            clock,
            shared: shared.clone(),
            signal,
            joined,
            commands: received,
            events: told,
        })
        .await?;
        Ok(Self { options, clock, shared, commands, events, session: tokio::spawn(session.run()) })
    }

    /// Its id in the room, which is another one after [`Event::Rejoined`].
    pub fn id(&self) -> ParticipantId {
        self.shared.id.lock().expect("nothing panics with it").clone()
    }

    /// How it joined.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// What happened next; `None` once it is over. Cancelling loses nothing.
    pub async fn next_event(&mut self) -> Option<Event> {
        self.events.recv().await
    }

    /// MID and kind of every slot.
    pub fn slots(&self) -> Vec<(String, MediaKind)> {
        self.shared.receiver().slots()
    }

    /// Says what is shown where.
    pub fn set_view(&self, view: View) {
        self.send(ClientMessage::View(view));
    }

    /// Says anew what the device can do.
    pub fn set_capabilities(&self, capabilities: Capabilities) {
        self.send(ClientMessage::Capabilities(capabilities));
    }

    /// Describes a sending section: its source, and whether it is muted.
    pub fn publish(&self, publish: Publish) {
        self.send(ClientMessage::Publish(publish));
    }

    /// Sends data to one participant or to all.
    pub fn send_message(&self, message: OutgoingMessage) {
        self.send(ClientMessage::Message(message));
    }

    /// Offers `count` more slots for video, and waits for the answer to be applied.
    pub async fn add_video_slots(&self, count: usize) {
        let (done, wait) = oneshot::channel();
        self.command(Command::AddVideoSlots(count, done));
        // An error means that the session is over, which the events say.
        let _ = wait.await;
    }

    /// What came through each video slot so far.
    pub fn video_reports(&self) -> Vec<VideoReport> {
        self.shared.receiver().reports(self.clock.now())
    }

    /// The same in the form of a demonstration's result: the slot that has shown most.
    pub fn receiver_report(&self) -> ReceiverReport {
        let best = self.video_reports().into_iter().max_by_key(|report| report.frames);
        let (estimate, audio_packets) = {
            let receiver = self.shared.receiver();
            (receiver.estimate(), receiver.audio_packets())
        };
        ReceiverReport {
            name: self.options.name.clone(),
            participant: self.id().to_string(),
            class: self.options.class(),
            video: best.unwrap_or_default(),
            estimate_kbps: estimate.map(|bps| bps / 1_000),
            audio_packets,
        }
    }

    /// What was sent so far; without encodings when there is no camera.
    pub fn publisher_report(&self) -> PublisherReport {
        let seconds = self.clock.now().as_secs_f64();
        let encodings = self.shared.camera.as_ref().map(|camera| {
            let camera = camera.lock().expect("a camera does not panic");
            let fps = camera.config().fps;
            let stats = camera.stats();
            let pairs = camera.config().encodings.iter().zip(stats);
            pairs
                .map(|(config, stats)| EncodingReport {
                    rid: config.rid.clone(),
                    width: config.width,
                    height: config.height,
                    fps,
                    kbps: (stats.bytes as f64 * 8.0 / 1_000.0 / seconds.max(0.001)) as u64,
                    active: stats.active,
                    frames: stats.frames,
                    keyframes: stats.keyframes,
                })
                .collect()
        });
        PublisherReport {
            name: self.options.name.clone(),
            participant: self.id().to_string(),
            encodings: encodings.unwrap_or_default(),
        }
    }

    /// Leaves the room and waits until the connections are closed.
    pub async fn leave(mut self) {
        self.command(Command::Leave);
        let session = std::mem::replace(&mut self.session, tokio::spawn(async {}));
        if timeout(PATIENCE, session).await.is_err() {
            tracing::warn!(name = self.options.name, "leaving took too long");
        }
    }

    fn send(&self, message: ClientMessage) {
        self.command(Command::Send(Box::new(message)));
    }

    fn command(&self, command: Command) {
        // An error means that the session is over, which the events say.
        let _ = self.commands.send(command);
    }
}

impl Shared {
    pub(crate) fn receiver(&self) -> std::sync::MutexGuard<'_, Receiver> {
        self.receiver.lock().expect("the checks do not panic")
    }

    fn set_id(&self, id: ParticipantId) {
        *self.id.lock().expect("nothing panics with it") = id;
    }
}

/// Says `join` and waits for the answer.
async fn enter(signal: &mut Signal, options: &Options, resume: Option<String>) -> Result<Joined, JoinError> {
    let join = Join {
        room: options.room.clone(),
        name: options.name.clone(),
        token: options.token.clone(),
        capabilities: options.capabilities.clone(),
        resume,
    };
    signal.send(&ClientMessage::Join(join)).await?;
    let answer = async {
        loop {
            match signal.receive().await {
                Some(ServerMessage::Joined(joined)) => return Ok(joined),
                Some(ServerMessage::Error(error)) => return Err(JoinError::Refused(error)),
                Some(_) => {}
                None => return Err(JoinError::NoAnswer),
            }
        }
    };
    timeout(PATIENCE, answer).await.unwrap_or(Err(JoinError::NoAnswer))
}
