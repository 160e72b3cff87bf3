"""The CloudFormation template of what has to be there once: foundation.yaml."""
