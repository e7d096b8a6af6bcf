"""What the command line tells its user without a traceback."""


class UserError(Exception):
    """Something the user gave is wrong; the message says where, why, and what to do.

    The command line prints the message alone, without a traceback.
    """
