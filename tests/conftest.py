"""What every test starts from."""

import signal

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Started in the background, as by nohup, a process ignores Ctrl-C and its children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)
