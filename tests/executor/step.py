# A step that misbehaves: MODE [FILE]. "ready" is written to FILE when it does.
import os, signal, sys, time

mode = sys.argv[1]
ready = sys.argv[2] if len(sys.argv) > 2 else None
LONG = 120
KEEP = []


def say_ready(text="ready"):
    if ready:
        with open(ready + ".new", "w") as f:
            f.write("%s\n" % text)
        os.rename(ready + ".new", ready)


def without_stdio():
    null = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)


def child(act):
    """Runs act in a child that then lives long; returns when it has begun."""
    r, w = os.pipe()
    if os.fork() == 0:
        os.close(r)
        act()
        os.write(w, b"x")
        os.close(w)
        time.sleep(LONG)
        os._exit(0)
    os.close(w)
    os.read(r, 1)
    os.close(r)


def daemonize():
    os.setsid()
    if os.fork():
        os._exit(0)


if mode == "ignore-term":
    for s in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(s, signal.SIG_IGN)
    say_ready()
    time.sleep(LONG)
elif mode == "slow-term":
    def clean(*_):
        time.sleep(0.3)
        say_ready("cleaned")
        os._exit(3)
    signal.signal(signal.SIGTERM, clean)
    say_ready()
    time.sleep(LONG)
elif mode == "count-terms":
    # The one that counts is the last of many in its group, so that a second
    # signal to it alone would come well after the first one to all.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    r, w = os.pipe()
    for _ in range(40):
        if os.fork() == 0:
            os.close(w)
            os.read(r, 1)
            os._exit(0)
    counter = os.fork()
    if counter == 0:
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTERM])
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        say_ready()
        count = 0
        while signal.sigtimedwait([signal.SIGTERM], 0.5 if count else LONG):
            count += 1
        say_ready(str(count))
        os._exit(0)
    os.waitpid(counter, 0)
elif mode == "stop-then-clean":
    def cleaned(*_):
        say_ready("cleaned")
        os._exit(0)
    signal.signal(signal.SIGTERM, cleaned)
    say_ready()
    os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(LONG)
elif mode == "stop":
    os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(LONG)
elif mode == "daemon":
    child(daemonize)
    print("main is done", flush=True)
elif mode == "daemon-closed":
    child(lambda: (daemonize(), without_stdio()))
elif mode == "nohup":
    def hide():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        without_stdio()
    child(hide)
elif mode == "setsid":
    child(os.setsid)
    say_ready()
    time.sleep(LONG)
elif mode == "setsid-closed":
    child(lambda: (os.setsid(), without_stdio()))
    say_ready()
    time.sleep(LONG)
elif mode == "tree":
    for depth in range(6):
        if os.fork():
            break
        if depth == 5:
            say_ready()
    time.sleep(LONG)
elif mode in ("forkrace", "forkrace-and-leave"):
    end = time.time() + LONG
    if os.fork() == 0:
        without_stdio()
        rounds = 0
        while time.time() < end:
            if os.fork():
                os._exit(0)
            os.setsid()
            rounds += 1
            if rounds == 5:
                say_ready()
            time.sleep(0.002)
        os._exit(0)
    while mode == "forkrace" or not os.path.exists(ready):
        time.sleep(0.01)
elif mode == "closeout":
    os.close(1)
    os.close(2)
    time.sleep(1)
    os._exit(5)
elif mode == "die-of":
    os.kill(os.getpid(), int(sys.argv[2]))
    time.sleep(LONG)
elif mode == "spew":
    block = (b"x" * 63 + b"\n") * 1024
    for _ in range(int(sys.argv[2]) // len(block)):
        os.write(1, block)
        os.write(2, block)
elif mode == "look-around":
    fds = [n for n in os.listdir("/proc/self/fd") if os.path.exists("/proc/self/fd/" + n)]
    print("fds", " ".join(sorted(fds)))
    with open("/proc/self/status") as f:
        status = dict(l.rstrip("\n").split(":\t", 1) for l in f if ":\t" in l)
    print("blocked", int(status["SigBlk"], 16))
    # Python itself ignores PIPE and XFSZ.
    ours = (1 << (signal.SIGPIPE - 1)) | (1 << (signal.SIGXFSZ - 1))
    print("ignored", int(status["SigIgn"], 16) & ~ours)
    print("stdin", len(sys.stdin.buffer.read()))
    try:
        os.open("/dev/tty", os.O_RDWR)
        print("tty opened")
    except OSError as e:
        print("tty", e.errno)
    mask = os.umask(0)
    print("umask %03o" % mask)
    print("leads", os.getpgrp() == os.getpid())
else:
    sys.exit("unknown mode " + mode)
