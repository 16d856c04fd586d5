"""The SDN controller: an os-ken launcher and its apps."""
