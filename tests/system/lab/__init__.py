"""The laboratory: real mail servers, started privately for the system tests."""
