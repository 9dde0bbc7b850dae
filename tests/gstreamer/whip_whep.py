#!/usr/bin/env python3
"""GStreamer's own WebRTC stack publishes by WHIP (RFC 9725) and plays by WHEP, against a server of this checkout.

    whip_whep.py SERVER-BINARY

Starts the server on a free port of this machine, a publisher of a test picture and a tone, and a player that decodes. Prints
a line of JSON for each and exits with 1 unless the picture was decoded and both sessions ended by their DELETE. Runs for half
a minute: GStreamer checks connectivity no more once it is connected, which has to be survived.

Debian: python3-gi, gir1.2-gst-plugins-bad-1.0, gstreamer1.0-nice, gstreamer1.0-plugins-good, gstreamer1.0-plugins-bad.
"""
import json
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstWebRTC", "1.0")
gi.require_version("GstSdp", "1.0")
from gi.repository import GLib, Gst, GstSdp, GstWebRTC  # noqa: E402

PLAYER = "webrtcbin name=peer bundle-policy=max-bundle"
CAMERA = PLAYER + """
videotestsrc is-live=true pattern=ball ! video/x-raw,width=640,height=360,framerate=15/1 ! videoconvert
  ! vp8enc deadline=1 cpu-used=8 target-bitrate=500000 keyframe-max-dist=3000 ! rtpvp8pay pt=96 picture-id-mode=15-bit
  ! application/x-rtp,media=video,encoding-name=VP8,payload=96 ! peer.
audiotestsrc is-live=true wave=ticks ! audioconvert ! audioresample ! opusenc ! rtpopuspay pt=111
  ! application/x-rtp,media=audio,encoding-name=OPUS,payload=111 ! peer.
"""


PUBLISH_SECONDS, PLAY_AFTER, PLAY_SECONDS = 30, 20, 8


def session(direction, url, seconds):
    """One session; prints what came of it."""
    Gst.init(None)
    loop = GLib.MainLoop()
    state, frames = {}, {"decoded": 0, "width": 0}
    pipeline = Gst.Pipeline.new()
    pipeline.add(Gst.parse_bin_from_description(CAMERA if direction == "whip" else PLAYER, False))
    peer = pipeline.get_by_name("peer")

    def request(method, where, body=None):
        asked = urllib.request.Request(where, data=body, method=method)
        if body:
            asked.add_header("content-type", "application/sdp")
        return urllib.request.urlopen(asked, timeout=10)

    def offered(promise):
        reply = promise.get_reply()  # owns the offer
        peer.emit("set-local-description", reply.get_value("offer"), Gst.Promise.new())

    def gathered(*_):
        if peer.get_property("ice-gathering-state") != GstWebRTC.WebRTCICEGatheringState.COMPLETE or state:
            return
        state["url"] = url
        threading.Thread(target=exchange, daemon=True).start()

    def exchange():
        offer = peer.get_property("local-description").sdp.as_text()
        answer = request("POST", url, offer.encode())
        state["url"] = urllib.request.urljoin(url, answer.headers["location"])
        _, sdp = GstSdp.SDPMessage.new_from_text(answer.read().decode())
        described = GstWebRTC.WebRTCSessionDescription.new(GstWebRTC.WebRTCSDPType.ANSWER, sdp)
        peer.emit("set-remote-description", described, Gst.Promise.new())

    def negotiate(*_):
        peer.emit("create-offer", None, Gst.Promise.new_with_change_func(lambda p, *_: offered(p)))

    def decoded(pad, info):
        frames["decoded"] += 1
        frames["width"] = pad.get_current_caps().get_structure(0).get_value("width")
        return Gst.PadProbeReturn.OK

    def arrived(_, pad):
        caps = pad.get_current_caps() or pad.query_caps(None)
        chain = "queue ! rtpvp8depay ! vp8dec name=decoder ! fakesink sync=false async=false"
        if caps.get_structure(0).get_value("media") == "audio":
            chain = "queue ! fakesink sync=false async=false"
        sink = Gst.parse_bin_from_description(chain, True)
        if decoder := sink.get_by_name("decoder"):
            decoder.get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, decoded)
        peer.get_parent().add(sink)
        sink.sync_state_with_parent()
        pad.link(sink.get_static_pad("sink"))

    def finish():
        result = {"direction": direction, "connection": peer.get_property("connection-state").value_nick, **frames}
        try:
            result["deleted"] = request("DELETE", state["url"]).status
        except Exception as error:  # whatever it was belongs to the result
            result["deleted"] = str(error)
        state["result"] = result
        loop.quit()

    peer.connect("on-negotiation-needed", negotiate)
    peer.connect("notify::ice-gathering-state", gathered)
    peer.connect("pad-added", arrived)
    if direction == "whep":
        for caps in ("application/x-rtp,media=audio,encoding-name=OPUS,clock-rate=48000,payload=111",
                     "application/x-rtp,media=video,encoding-name=VP8,clock-rate=90000,payload=96"):
            peer.emit("add-transceiver", GstWebRTC.WebRTCRTPTransceiverDirection.RECVONLY, Gst.Caps.from_string(caps))
    pipeline.set_state(Gst.State.PLAYING)
    GLib.timeout_add(int(seconds * 1000), finish)
    loop.run()
    pipeline.set_state(Gst.State.NULL)
    print(json.dumps(state["result"]))


def main():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder:
        arguments = ["--plain-http", "--listen", f"127.0.0.1:{port}", "--data-dir", folder, "--workers", "1"]
        server = subprocess.Popen([sys.argv[1], *arguments], stdout=subprocess.DEVNULL)
        try:
            time.sleep(1)
            publisher = run("whip", f"http://127.0.0.1:{port}/whip/standup", PUBLISH_SECONDS)
            time.sleep(PLAY_AFTER)
            player = run("whep", f"http://127.0.0.1:{port}/whep/standup", PLAY_SECONDS)
            results = [json.loads(child.communicate()[0] or "{}") for child in (player, publisher)]
        finally:
            server.terminate()
            server.wait()
    for result in results:
        print(json.dumps(result))
    good = all(result.get("connection") == "connected" and result.get("deleted") == 200 for result in results)
    sys.exit(0 if good and results[0]["decoded"] > 0 else 1)


def run(direction, url, seconds):
    return subprocess.Popen([sys.executable, __file__, direction, url, str(seconds)], stdout=subprocess.PIPE)


if len(sys.argv) == 4:
    session(sys.argv[1], sys.argv[2], float(sys.argv[3]))
else:
    main()
