"""What the command line tells its user without a traceback."""


class UserError(Exception):
    """Something the user gave is wrong; the message says where, why, and what to do.

    The command line prints the message alone, without a traceback.
    """


class StoppedError(UserError):
    """Something outside asked for a stop, and everything that was at work is where it can go on."""
