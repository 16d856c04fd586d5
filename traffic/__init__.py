"""Probes, services and captures: what is measured and with what."""
