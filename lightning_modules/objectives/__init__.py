"""Objectives, which compute the training loss from batch and network."""
