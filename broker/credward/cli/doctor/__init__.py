"""`credward doctor`: the way of a token from file to agent, one file for each link."""

from credward.cli.doctor.examine import examine

__all__ = ["examine"]
