"""From a NetworkAttachmentDefinition to its owner's intent."""
