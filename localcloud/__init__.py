"""An AWS on loopback: endpoints, pipelines and registry events; the rest is moto's."""
