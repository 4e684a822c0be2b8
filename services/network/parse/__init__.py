"""From a NetworkAttachmentDefinition to the intent of its owner."""
